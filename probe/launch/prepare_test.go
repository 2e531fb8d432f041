package launch

import (
	"context"
	"errors"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"
)

var errRestricted = forbidden(`violates PodSecurity "restricted:latest": host namespaces (hostPID=true)`)

func TestPrepareChoosesTheNamespace(t *testing.T) {
	noJobs := func(namespaces ...string) map[string]bool {
		m := map[string]bool{}
		for _, ns := range namespaces {
			m["create jobs "+ns] = true
		}
		return m
	}
	restricted := func(restricted ...string) func(ns, kind string) error {
		return func(ns, kind string) error {
			for _, r := range restricted {
				if ns == r && kind == "pods" {
					return errRestricted
				}
			}
			return nil
		}
	}
	for name, tt := range map[string]struct {
		options   func(*Options)
		denied    map[string]bool
		admit     func(ns, kind string) error
		namespace string
		reason    Reason
		says      string
	}{
		"kube-system first":           {namespace: "kube-system"},
		"the target's when no rights": {denied: noJobs("kube-system"), namespace: "shop"},
		"the target's when refused":   {admit: restricted("kube-system"), namespace: "shop"},
		"what the user says":          {options: func(o *Options) { o.Namespace = "ops" }, namespace: "ops"},
		"what the user says, refused": {
			options: func(o *Options) { o.Namespace = "ops" }, admit: restricted("ops"), namespace: "ops",
			reason: PodSecurity, says: `ops enforces Pod Security "restricted"`,
		},
		"no rights anywhere": {denied: noJobs("kube-system", "shop"), reason: NoRight, says: "no right to create jobs", namespace: "kube-system"},
		"rights but restricted": {
			denied: noJobs("kube-system"), admit: restricted("shop"), namespace: "shop",
			reason: PodSecurity, says: `shop enforces Pod Security "restricted"`,
		},
		"no port-forward": {
			options: func(o *Options) { o.TargetNamespace = "" }, denied: map[string]bool{"create pods/portforward kube-system": true},
			namespace: "kube-system", reason: NoRight, says: "no right to create pods/portforward in kube-system",
		},
		"ConfigMaps only when they are needed": {
			options: func(o *Options) { o.Image = "registry.example/tapio:1" },
			denied:  map[string]bool{"create configmaps kube-system": true}, namespace: "kube-system",
		},
		"no ConfigMaps": {
			options: func(o *Options) { o.TargetNamespace = "kube-system" }, denied: map[string]bool{"create configmaps kube-system": true},
			namespace: "kube-system", reason: NoRight, says: "no right to create configmaps in kube-system",
		},
		"a webhook without dry run decides later": {
			admit: func(_, kind string) error {
				return apierrors.NewBadRequest(`admission webhook "x" does not support dry run`)
			}, namespace: "kube-system",
		},
		"a Job refused": {
			options: func(o *Options) { o.TargetNamespace = "" },
			admit: func(_, kind string) error {
				if kind == "jobs" {
					return forbidden("exceeded quota: jobs, requested: count/jobs.batch=1")
				}
				return nil
			}, namespace: "kube-system", reason: Quota, says: "quota jobs of kube-system",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, readyNode("node-a"), readyNode("node-b"))
			if tt.denied != nil {
				c.denied = tt.denied
			}
			c.admit = tt.admit
			o := options()
			if tt.options != nil {
				tt.options(&o)
			}
			p := Prepare(context.Background(), c, o, targets("node-a", "node-b"))
			if p.Namespace != tt.namespace {
				t.Errorf("namespace %q, want %q", p.Namespace, tt.namespace)
			}
			for _, n := range p.Nodes {
				if tt.reason == "" && n.Refused != nil {
					t.Errorf("%s refused: %v", n.Node, n.Refused)
				}
				if tt.reason != "" && (n.Refused == nil || n.Refused.Reason != tt.reason || !strings.Contains(n.Refused.Error(), tt.says) || n.Refused.Node != n.Node) {
					t.Errorf("%s: %+v, want %s: %s", n.Node, n.Refused, tt.reason, tt.says)
				}
			}
			if made := c.order(); len(made) > 0 {
				t.Errorf("preparing created %v", made)
			}
		})
	}
}

func TestPrepareNodes(t *testing.T) {
	arm, odd, down, empty := readyNode("arm"), readyNode("odd"), readyNode("down"), readyNode("empty")
	arm.Status.NodeInfo.Architecture = "arm64"
	odd.Status.NodeInfo.Architecture = "riscv64"
	setCondition(down, corev1.NodeReady, corev1.ConditionFalse, "")
	empty.Status.Images = nil
	c := newCluster(t, readyNode("amd"), arm, odd, down, empty)
	p := Prepare(context.Background(), c, options(), targets("amd", "arm", "odd", "down", "empty", "gone"))
	want := map[string]Reason{"amd": "", "arm": "", "odd": NoPayload, "down": BadNode, "empty": NoCarrier, "gone": BadNode}
	for _, n := range p.Nodes {
		var got Reason
		if n.Refused != nil {
			got = n.Refused.Reason
		}
		if got != want[n.Node] {
			t.Errorf("%s: %q (%v), want %q", n.Node, got, n.Refused, want[n.Node])
		}
		if n.Refused == nil && n.Images[0] != "registry.k8s.io/pause:3.10" {
			t.Errorf("%s is carried by %v", n.Node, n.Images)
		}
	}
	objects, err := p.Objects()
	if err != nil {
		t.Fatal(err)
	}
	var jobs, maps int
	for _, o := range objects {
		switch o := o.(type) {
		case *batchv1.Job:
			jobs++
		case *corev1.ConfigMap:
			maps++
			if len(o.OwnerReferences) != 1 {
				t.Errorf("a ConfigMap of one node's architecture has %d owners", len(o.OwnerReferences))
			}
		}
	}
	if jobs != 2 || maps != 4 {
		t.Errorf("a dry run shows %d Jobs and %d ConfigMaps, want 2 and 4", jobs, maps)
	}
}

func TestPrepareWithoutNodeRights(t *testing.T) {
	for _, image := range []string{"", "registry.example/tapio:1"} {
		c := newCluster(t, readyNode("node-a"))
		c.PrependReactor("get", "nodes", func(ktesting.Action) (bool, runtime.Object, error) {
			return true, nil, forbidden(`User "jane" cannot get resource "nodes" in API group ""`)
		})
		p := Prepare(context.Background(), c, options(func(o *Options) { o.Image = image }), targets("node-a"))
		r := p.Nodes[0].Refused
		if image == "" && (r == nil || r.Reason != NoRight || !strings.Contains(r.Error(), "--probe-image")) {
			t.Errorf("delivery without knowing the architecture: %v", r)
		}
		if image != "" && r != nil {
			t.Errorf("a probe image needs no node facts: %v", r)
		}
	}
}

func TestPrepareUnreachable(t *testing.T) {
	c := newCluster(t)
	c.PrependReactor("*", "*", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, context.DeadlineExceeded
	})
	p := Prepare(context.Background(), c, options(), targets("node-a"))
	if r := p.Nodes[0].Refused; r == nil || r.Reason != Unreachable || !errors.Is(r, context.DeadlineExceeded) {
		t.Errorf("got %v", r)
	}
}

func TestPrepareSeesPodsOfTheNode(t *testing.T) {
	target := probePod("x", corev1.PodRunning, corev1.ContainerState{})
	target.Namespace, target.Name, target.UID = "shop", "web-1", "target-uid"
	target.Spec.RuntimeClassName = new("gvisor")
	system := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-proxy-1", Namespace: "kube-system"},
		Spec:       corev1.PodSpec{NodeName: "node-a", Containers: []corev1.Container{{Name: "p", Image: "registry.k8s.io/kube-proxy:v1.35"}}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "p", State: runningState}}},
	}
	elsewhere := system.DeepCopy()
	elsewhere.Name, elsewhere.Spec.NodeName, elsewhere.Spec.Containers[0].Image = "other", "node-b", "registry.k8s.io/pause:0"
	node := readyNode("node-a")
	node.Status.Images = nil
	c := newCluster(t, node, target, system, elsewhere)
	p := Prepare(context.Background(), c, options(), []Target{{Node: "node-a", PodUIDs: []string{"target-uid"}}})
	n := p.Nodes[0]
	if n.Refused != nil || len(n.Images) != 1 || n.Images[0] != "registry.k8s.io/kube-proxy:v1.35" {
		t.Errorf("carriers %v, refused %v", n.Images, n.Refused)
	}
	if len(n.Hidden) != 1 || !strings.Contains(n.Hidden[0], "web-1 runs in gVisor") {
		t.Errorf("hidden: %v", n.Hidden)
	}
}

func TestPullSecretOfTheTarget(t *testing.T) {
	target := probePod("x", corev1.PodRunning, runningState)
	target.Namespace, target.UID = "shop", "target-uid"
	target.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "regcred"}}
	for namespace, want := range map[string]string{"shop": "regcred", "kube-system": ""} {
		c := newCluster(t, readyNode("node-a"), target.DeepCopy())
		p := Prepare(context.Background(), c, options(func(o *Options) { o.Namespace = namespace }),
			[]Target{{Node: "node-a", PodUIDs: []string{"target-uid"}}})
		if got := p.spec(p.Nodes[0], p.Namespace, "j", nil, 0).PullSecret; got != want {
			t.Errorf("in %s: %q, want %q", namespace, got, want)
		}
	}
}

func TestDryRunOnServer(t *testing.T) {
	c := newCluster(t, readyNode("node-a"))
	p := Prepare(context.Background(), c, options(), targets("node-a"))
	objects, err := p.DryRun(context.Background())
	if err != nil || len(objects) != 3 || len(c.order()) != 0 {
		t.Errorf("%d objects, %v, created %v", len(objects), err, c.order())
	}
	c.admit = func(string, string) error { return errRestricted }
	if _, err := p.DryRun(context.Background()); AsRefused(err).Reason != PodSecurity {
		t.Errorf("got %v", err)
	}
}
