package launch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ktesting "k8s.io/client-go/testing"
)

// failure is one way in which there comes to be no probe.
type failure struct {
	name   string
	node   func(*corev1.Node) // changes the node
	change func(*Options)
	denied []string                       // rights, as "create jobs kube-system"
	admit  func(ns, kind string) error    // answers creations, real and dry
	later  func(ns, kind string) error    // the same, once the plan is made
	pod    func(*batchv1.Job) *corev1.Pod // nil: it runs
	noPod  bool                           // the Job controller makes none
	event  *corev1.Event                  // told about the Job, or its pod when there is one
	gets   func(resource string) error    // answers reads
	lease  time.Duration                  // age of the node's lease; 0 is none
	within time.Duration                  // how long it may take to be known, from the Job's creation
	reason Reason
}

func onlyKind(kind, text string) func(ns, k string) error {
	return func(_, k string) error {
		if k == kind {
			return forbidden(text)
		}
		return nil
	}
}

func pending(state corev1.ContainerState) func(*batchv1.Job) *corev1.Pod {
	return func(j *batchv1.Job) *corev1.Pod { return probePod(j.Name, corev1.PodPending, state) }
}

// untouched is a pod that no kubelet has begun with.
func untouched(j *batchv1.Job) *corev1.Pod {
	p := probePod(j.Name, corev1.PodPending, corev1.ContainerState{})
	p.Status.ContainerStatuses = nil
	return p
}

// failed is a pod that the kubelet refused or ended.
func failed(reason, message string) func(*batchv1.Job) *corev1.Pod {
	return func(j *batchv1.Job) *corev1.Pod {
		p := untouched(j)
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, reason, message
		return p
	}
}

func exited(code int32, reason, message string) func(*batchv1.Job) *corev1.Pod {
	return func(j *batchv1.Job) *corev1.Pod {
		return probePod(j.Name, corev1.PodFailed, ended(code, reason, message))
	}
}

func condition(kind corev1.NodeConditionType, status corev1.ConditionStatus, message string) func(*corev1.Node) {
	return func(n *corev1.Node) { setCondition(n, kind, status, message) }
}

func ops(o *Options) { o.Namespace = "ops" }

var errRefused = &url.Error{Op: "Get", URL: "https://10.0.0.1:6443/apis", Err: syscall.ECONNREFUSED}

// failures is every way in which a launch fails.
func failures() []failure {
	nodeText := `nodes "node-a" is forbidden: User "jane" cannot get resource "nodes" in API group "" at the cluster scope`
	return []failure{
		{name: "may not create jobs", change: ops, denied: []string{"create jobs ops"}, reason: NoRight},
		{name: "may not port-forward", change: ops, denied: []string{"create pods/portforward ops"}, reason: NoRight},
		{name: "may not delete jobs", change: ops, denied: []string{"delete jobs ops"}, reason: NoRight},
		{name: "may not patch jobs", change: ops, denied: []string{"patch jobs ops"}, reason: NoRight},
		{name: "may not list pods", change: ops, denied: []string{"list pods ops"}, reason: NoRight},
		{name: "may not watch pods", change: ops, denied: []string{"watch pods ops"}, reason: NoRight},
		{name: "may not create configmaps", change: ops, denied: []string{"create configmaps ops"}, reason: NoRight},
		{name: "may not create pods", change: ops, admit: onlyKind("pods", `User "jane" cannot create resource "pods" in API group "" in the namespace "ops"`)},
		{name: "may not get nodes", gets: func(r string) error {
			if r == "nodes" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "node-a", errors.New(nodeText))
			}
			return nil
		}, reason: NoRight},
		{name: "Pod Security", change: ops, admit: onlyKind("pods", `violates PodSecurity "restricted:latest": host namespaces`), reason: PodSecurity},
		{name: "Pod Security, told by the controller", event: &corev1.Event{Reason: "FailedCreate", Message: `Error creating: pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged`}, noPod: true, within: 4 * time.Second, reason: PodSecurity},
		{name: "quota", change: ops, admit: onlyKind("pods", "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"), reason: Quota},
		{name: "quota, told by the controller", event: &corev1.Event{Reason: "FailedCreate", Message: `Error creating: pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2`}, noPod: true, within: 4 * time.Second, reason: Quota},
		{name: "LimitRange", change: ops, admit: onlyKind("pods", "maximum memory usage per Container is 64Mi, but limit is 256Mi"), reason: Quota},
		{name: "webhook refuses", change: ops, admit: onlyKind("pods", `admission webhook "guard.example.com" denied the request: no host namespaces`), reason: Webhook},
		{name: "webhook is down", change: ops, admit: func(_, k string) error {
			if k != "jobs" {
				return nil
			}
			return apierrors.NewInternalError(errors.New(`failed calling webhook "guard.example.com": failed to call webhook: Post "https://guard.x.svc:443/?timeout=5s": dial tcp 10.96.0.9:443: connect: connection refused`))
		}, reason: Webhook},
		{name: "webhook refuses the ConfigMaps", change: ops, later: onlyKind("configmaps", `admission webhook "guard.example.com" denied the request: too large`), reason: Webhook},
		{name: "policy refuses", change: ops, admit: onlyKind("pods", `ValidatingAdmissionPolicy 'no-root.example.com' with binding 'all' denied request: runAsUser must not be 0`), reason: Webhook},
		{name: "namespace does not exist", change: ops, admit: func(string, string) error {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "ops")
		}, reason: Conflict},
		{name: "namespace is being deleted", change: ops, later: onlyKind("jobs", "unable to create new content in namespace ops because it is being terminated"), reason: Conflict},
		{name: "no PriorityClass", change: ops, admit: onlyKind("pods", "no PriorityClass with name fast was found"), reason: Conflict},
		{name: "API server does not answer", gets: func(string) error { return errRefused }, reason: Unreachable},
		{name: "API server goes while the probe starts", pod: untouched, later: nil, gets: func(r string) error {
			if r == "leases" {
				return errRefused
			}
			return nil
		}, within: 13 * time.Second, reason: Unreachable},
		{name: "credentials", gets: func(string) error { return apierrors.NewUnauthorized("Unauthorized") }, reason: NoRight},
		{name: "no such node", node: func(n *corev1.Node) { n.Name = "node-z" }, reason: BadNode},
		{name: "node not ready", node: condition(corev1.NodeReady, corev1.ConditionFalse, "container runtime is down"), reason: BadNode},
		{name: "node unknown", node: condition(corev1.NodeReady, corev1.ConditionUnknown, "Kubelet stopped posting node status."), reason: BadNode},
		{name: "disk pressure", node: condition(corev1.NodeDiskPressure, corev1.ConditionTrue, ""), reason: BadNode},
		{name: "pid pressure", node: condition(corev1.NodePIDPressure, corev1.ConditionTrue, ""), reason: BadNode},
		{name: "cordoned, which is of no harm", node: func(n *corev1.Node) { n.Spec.Unschedulable = true }},
		{name: "windows", node: func(n *corev1.Node) { n.Status.NodeInfo.OperatingSystem = "windows" }, reason: BadNode},
		{name: "virtual kubelet", node: func(n *corev1.Node) { n.Labels["type"] = "virtual-kubelet" }, reason: BadNode},
		{name: "riscv64, for which there is no probe", node: func(n *corev1.Node) { n.Status.NodeInfo.Architecture = "riscv64" }, reason: NoPayload},
		{name: "no image on the node", node: func(n *corev1.Node) { n.Status.Images = nil }, reason: NoCarrier},
		{name: "no image may be used", pod: pending(waiting("ErrImageNeverPull", `Container image "registry.example/app:1" is not present with pull policy of Never`)), within: time.Second, reason: ImageDenied},
		{name: "node full", pod: failed("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110"), within: time.Second, reason: BadNode},
		{name: "no memory on the node", pod: failed("OutOfmemory", "Node didn't have enough resource: memory"), within: time.Second, reason: BadNode},
		{name: "evicted", pod: failed("Evicted", "The node was low on resource: ephemeral-storage."), within: time.Second, reason: BadNode},
		{name: "node shuts down", pod: failed("NodeShutdown", "Pod was rejected as the node is shutting down."), within: time.Second, reason: BadNode},
		{name: "kubelet refuses", pod: failed("UnexpectedAdmissionError", "Allocate failed due to no healthy devices present"), within: time.Second, reason: BadNode},
		{name: "kubelet is dead", pod: untouched, lease: 40 * time.Second, within: 7 * time.Second, reason: BadNode},
		{name: "kubelet lives and does nothing", pod: untouched, lease: -time.Hour, within: 31 * time.Second, reason: NotStarted},
		{name: "no sandbox", pod: pending(waiting("ContainerCreating", "")), event: &corev1.Event{Reason: "FailedCreatePodSandBox", Message: "Failed to create pod sandbox: no IP addresses available"}, within: 13 * time.Second, reason: NotStarted},
		{name: "Job controller is down", noPod: true, within: 11 * time.Second, reason: NotStarted},
		{name: "Job controller cannot", noPod: true, event: &corev1.Event{Reason: "FailedCreate", Message: "error looking up service account ops/default: not found"}, within: 8 * time.Second, reason: NotStarted},
		{name: "OOM at once", pod: exited(137, "OOMKilled", ""), within: time.Second, reason: NotStarted},
		{name: "memory volume is noexec", pod: exited(106, "Error", ""), within: time.Second, reason: NotStarted},
		{name: "corrupt parts", pod: exited(104, "Error", ""), within: time.Second, reason: NotStarted},
		{name: "seccomp kills it", pod: exited(159, "Error", ""), within: time.Second, reason: NotStarted},
	}
}

// TestDegrade walks through every failure of a launch: each is known early, by
// one sentence that says what, why and one way out, and nothing is left.
func TestDegrade(t *testing.T) {
	var out strings.Builder
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, took := f.happens(t, ctx)
				sentence, reason := "it runs", Reason("")
				if r != nil {
					sentence, reason = r.Error(), r.Reason
				}
				if reason != f.reason {
					t.Errorf("%s: %s", reason, sentence)
				}
				if took > f.within {
					t.Errorf("it took %s to be known, want at most %s", took, f.within)
				}
				if runes(sentence) > MaxSentence || strings.Contains(sentence, "  ") {
					t.Errorf("%d characters: %q", runes(sentence), sentence)
				}
				fmt.Fprintf(&out, "%-38s %-12s %s\n", f.name, reason, sentence)
			})
		})
	}
	golden(t, "degrade.txt", out.String())
}

// happens plans, launches and waits; took counts from the Job's creation.
func (f failure) happens(t *testing.T, ctx context.Context) (*Refused, time.Duration) {
	n := readyNode("node-a")
	if f.node != nil {
		f.node(n)
	}
	objects := []runtime.Object{n}
	if f.lease != 0 {
		objects = append(objects, &coordv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "node-a", Namespace: corev1.NamespaceNodeLease},
			Spec:       coordv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: time.Now().Add(-f.lease)}},
		})
	}
	c := newCluster(t, objects...)
	for _, d := range f.denied {
		c.denied[d] = true
	}
	c.admit = f.admit
	if f.pod != nil || f.noPod {
		c.pod = f.pod
	}
	if f.gets != nil {
		for _, verb := range []string{"get", "list"} {
			c.PrependReactor(verb, "*", func(a ktesting.Action) (bool, runtime.Object, error) {
				err := f.gets(a.GetResource().Resource)
				return err != nil, nil, err
			})
		}
		c.PrependReactor("create", "selfsubjectaccessreviews", func(a ktesting.Action) (bool, runtime.Object, error) {
			err := f.gets(a.GetResource().Resource)
			return err != nil, nil, err
		})
	}
	o := options()
	if f.change != nil {
		f.change(&o)
	}
	p := Prepare(ctx, c, o, targets("node-a"))
	if made := c.order(); len(made) > 0 {
		t.Errorf("preparing created %v", made)
	}
	if r := p.Nodes[0].Refused; r != nil {
		return r, 0
	}
	c.mu.Lock()
	if f.later != nil {
		c.admit = f.later
	}
	c.mu.Unlock()
	r := p.Launch(ctx, nil)
	<-c.watching
	began := time.Now()
	pr := r.Probes()[0]
	if f.event != nil {
		uid := pr.jobUID
		if f.pod != nil {
			uid = "pod-uid"
		}
		ev := f.event.DeepCopy()
		ev.Name, ev.Namespace, ev.InvolvedObject.UID = "told", p.Namespace, types.UID(uid)
		go func() {
			time.Sleep(3 * time.Second) // past the delay of the pod's events, before any bound
			c.CoreV1().Events(p.Namespace).Create(ctx, ev, metav1.CreateOptions{})
		}()
	}
	err := pr.WaitRunning(ctx)
	took := time.Since(began)
	c.mu.Lock()
	c.pod = nil
	c.mu.Unlock()
	if derr := r.Delete(ctx); derr != nil || len(c.jobs(t)) != 0 {
		t.Errorf("%d Jobs are left: %v", len(c.jobs(t)), derr)
	}
	return AsRefused(err), took
}

// What has happened to a running probe is told in one sentence as well.
func TestLostProbes(t *testing.T) {
	var out strings.Builder
	states := map[string]*corev1.Pod{
		"deleted":          probePod("j", corev1.PodRunning, runningState),
		"OOM killed":       probePod("j", corev1.PodFailed, ended(137, "OOMKilled", "")),
		"evicted":          failed("Evicted", "The node was low on resource: memory.")(&batchv1.Job{}),
		"node shuts down":  failed("Terminated", "Pod was terminated in response to imminent node shutdown.")(&batchv1.Job{}),
		"client was quiet": probePod("j", corev1.PodFailed, ended(1, "Error", "tapio-probe: the client is silent: no word from it for 15s\n")),
	}
	states["deleted"].DeletionTimestamp = &metav1.Time{}
	for _, name := range sortedKeys(states) {
		r := podState(states[name]).lost("node-a", nil)
		if r.Reason != Lost || r.Node != "node-a" || runes(r.Error()) > MaxSentence {
			t.Errorf("%s: %+v", name, r)
		}
		fmt.Fprintf(&out, "%-38s %s\n", name, r)
	}
	pr := &Probe{Candidate: Candidate{Target: Target{Node: "node-a"}}}
	for _, x := range []struct {
		name string
		err  error
	}{{"API server gone", errRefused}, {"port-forward fails", errors.New("error forwarding port 7677 to pod x: connection refused")}, {"nothing tried", nil}} {
		fmt.Fprintf(&out, "%-38s %s\n", x.name, pr.noStream(context.DeadlineExceeded, x.err))
	}
	for line := range strings.Lines(out.String()) {
		if runes(strings.TrimSpace(line[39:])) > MaxSentence {
			t.Errorf("too long: %s", line)
		}
	}
	golden(t, "lost.txt", out.String())
}

// Every reason is met by some failure.
func TestEveryReasonIsMet(t *testing.T) {
	for _, r := range []Reason{Unreachable, NoRight, NoCarrier, NoPayload, BadNode, Conflict, Webhook, Quota, PodSecurity, ImageDenied, NotStarted} {
		if !slices.ContainsFunc(failures(), func(f failure) bool { return f.reason == r }) {
			t.Errorf("no failure is told as %s", r)
		}
	}
}
