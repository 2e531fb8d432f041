package launch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	podsResource = schema.GroupResource{Resource: "pods"}
	jobsResource = schema.GroupResource{Group: "batch", Resource: "jobs"}
)

func forbidden(text string) error {
	return apierrors.NewForbidden(podsResource, "tapio-1", errors.New(text))
}

// refusals are answers as API servers give them.
func refusals() map[string]error {
	return map[string]error{
		"pod security, restricted": forbidden(`violates PodSecurity "restricted:latest": host namespaces (hostPID=true), privileged (container "probe" must not set securityContext.privileged=true)`),
		"pod security, baseline":   forbidden(`violates PodSecurity "baseline:v1.29": privileged (container "probe" must not set securityContext.privileged=true)`),
		"no right":                 apierrors.NewForbidden(jobsResource, "", errors.New(`User "jane" cannot create resource "jobs" in API group "batch" in the namespace "pay"`)),
		"quota exceeded":           forbidden(`exceeded quota: team-quota, requested: limits.memory=256Mi, used: limits.memory=4Gi, limited: limits.memory=4Gi`),
		"quota needs values":       forbidden(`failed quota: compute: must specify limits.ephemeral-storage for: probe`),
		"limit range":              forbidden(`maximum memory usage per Container is 128Mi, but limit is 256Mi`),
		"webhook": apierrors.NewForbidden(podsResource, "tapio-1",
			errors.New(`admission webhook "validate.kyverno.svc-fail" denied the request: policy Pod/pay/tapio for resource violation: disallow-host-namespaces`)),
		"webhook, long name": forbidden(`admission webhook "` + strings.Repeat("very-long-", 12) + `.example" denied the request: no`),
		"policy":             forbidden(`ValidatingAdmissionPolicy 'no-root.example.com' with binding 'all' denied request: runAsUser must not be 0`),
		"openshift":          forbidden(`unable to validate against any security context constraint: [provider "anyuid": Forbidden: not usable by user or serviceaccount]`),
		"image policy":       forbidden(`image policy webhook backend denied one or more images`),
		"other admission":    forbidden(`no PriorityClass with name tapio was found`),
		"namespace":          apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "ops"),
		"credentials":        apierrors.NewUnauthorized("Unauthorized"),
		"connection refused": &url.Error{Op: "Post", URL: "https://10.0.0.1:6443/apis", Err: syscall.ECONNREFUSED},
		"timeout":            context.DeadlineExceeded,
		"hostile text":       forbidden("violates PodSecurity \"restricted:latest\": \x1b[31mred\x07\u202e \n\tlines" + strings.Repeat("x", 500)),
		"internal":           apierrors.NewInternalError(errors.New("etcd is gone")),
	}
}

func TestRefusalsGolden(t *testing.T) {
	var out strings.Builder
	for _, name := range sortedKeys(refusals()) {
		r := refusal(refusals()[name], "create", "jobs", "pay")
		fmt.Fprintf(&out, "%-24s %-12s %s\n", name, r.Reason, r)
	}
	node := func(change func(*corev1.Node)) *Refused {
		n := readyNode("node-a")
		change(n)
		return checkNode(n, false)
	}
	for _, r := range []struct {
		name string
		r    *Refused
	}{
		{"not ready", node(func(n *corev1.Node) {
			setCondition(n, corev1.NodeReady, corev1.ConditionFalse, "container runtime is down")
		})},
		{"unknown", node(func(n *corev1.Node) {
			setCondition(n, corev1.NodeReady, corev1.ConditionUnknown, "Kubelet stopped posting node status.")
		})},
		{"disk pressure", node(func(n *corev1.Node) { setCondition(n, corev1.NodeDiskPressure, corev1.ConditionTrue, "") })},
		{"pid pressure", node(func(n *corev1.Node) { setCondition(n, corev1.NodePIDPressure, corev1.ConditionTrue, "") })},
		{"windows", node(func(n *corev1.Node) { n.Status.NodeInfo.OperatingSystem = "windows" })},
		{"fargate", node(func(n *corev1.Node) { n.Labels["eks.amazonaws.com/compute-type"] = "fargate" })},
	} {
		fmt.Fprintf(&out, "%-24s %-12s %s\n", r.name, r.r.Reason, r.r)
	}
	golden(t, "refusals.txt", out.String())
}

func TestRefusedIsOneShortPrintableSentence(t *testing.T) {
	long := strings.Repeat("wörd ", 100)
	for _, r := range []*Refused{
		{What: "short"},
		{What: long},
		{What: long, Ask: askGrant},
		{What: "what", Why: long, Ask: askGrant},
		{What: "what", Why: long},
		{What: strings.Repeat("w", 100), Why: "why", Ask: "ask for it"},
		{What: "a\x1b[2Jb\u202ec\r\nd", Why: "\x00"},
		{What: "x", Ask: strings.Repeat("a", 200)},
	} {
		got := r.Error()
		if runes(got) > MaxSentence {
			t.Errorf("%d characters: %q", runes(got), got)
		}
		for _, c := range got {
			if !unicode.IsPrint(c) {
				t.Errorf("%q holds %U", got, c)
			}
		}
		if got == "" {
			t.Errorf("%+v says nothing", r)
		}
	}
}

func TestRefusalKeepsTheError(t *testing.T) {
	for name, err := range refusals() {
		r := refusal(err, "create", "pods", "pay")
		if !errors.Is(r, err) {
			t.Errorf("%s: the cause is gone", name)
		}
		if got := AsRefused(fmt.Errorf("launch: %w", r)); got != r {
			t.Errorf("%s: AsRefused made another one", name)
		}
	}
	if AsRefused(nil) != nil {
		t.Error("no error became a refusal")
	}
	if r := AsRefused(errors.New("something else")); r.Reason != Conflict || r.Error() != "something else" {
		t.Errorf("foreign error: %v", r)
	}
}

func FuzzRefusalText(f *testing.F) {
	for _, err := range refusals() {
		f.Add(err.Error())
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := refusal(apierrors.NewForbidden(podsResource, "x", errors.New(text)), "create", "pods", "ns")
		if got := r.Error(); runes(got) > MaxSentence || strings.ContainsFunc(got, func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("not one short printable sentence: %q", got)
		}
	})
}

func readyNode(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			NodeInfo:   corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: "amd64", KubeletVersion: "v1.35.4"},
			Images: []corev1.ContainerImage{
				{Names: []string{"registry.example/app@sha256:1234", "registry.example/app:1"}, SizeBytes: 1000},
				{Names: []string{"registry.k8s.io/pause:3.10"}, SizeBytes: 300},
			},
		},
	}
}

func setCondition(n *corev1.Node, kind corev1.NodeConditionType, status corev1.ConditionStatus, message string) {
	for i, c := range n.Status.Conditions {
		if c.Type == kind {
			n.Status.Conditions[i].Status, n.Status.Conditions[i].Message = status, message
			return
		}
	}
	n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: kind, Status: status, Message: message})
}
