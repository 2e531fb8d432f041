package launch

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func TestCheckNode(t *testing.T) {
	for name, tt := range map[string]struct {
		change   func(*corev1.Node)
		critical bool
		refused  bool
	}{
		"ready":                   {change: func(*corev1.Node) {}},
		"no status at all":        {change: func(n *corev1.Node) { n.Status = corev1.NodeStatus{} }},
		"not ready":               {change: func(n *corev1.Node) { setCondition(n, corev1.NodeReady, corev1.ConditionFalse, "") }, refused: true},
		"disk pressure":           {change: func(n *corev1.Node) { setCondition(n, corev1.NodeDiskPressure, corev1.ConditionTrue, "") }, refused: true},
		"disk pressure, critical": {change: func(n *corev1.Node) { setCondition(n, corev1.NodeDiskPressure, corev1.ConditionTrue, "") }, critical: true},
		"memory pressure":         {change: func(n *corev1.Node) { setCondition(n, corev1.NodeMemoryPressure, corev1.ConditionTrue, "") }},
		"disk pressure over":      {change: func(n *corev1.Node) { setCondition(n, corev1.NodeDiskPressure, corev1.ConditionFalse, "") }},
		"windows by label": {change: func(n *corev1.Node) {
			n.Status.NodeInfo.OperatingSystem = ""
			n.Labels[corev1.LabelOSStable] = "windows"
		}, refused: true},
		"virtual kubelet by taint":      {change: func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "virtual-kubelet.io/provider"}} }, refused: true},
		"virtual kubelet by label":      {change: func(n *corev1.Node) { n.Labels["type"] = "virtual-kubelet" }, refused: true},
		"cordoned, which is of no harm": {change: func(n *corev1.Node) { n.Spec.Unschedulable = true }},
	} {
		t.Run(name, func(t *testing.T) {
			n := readyNode("node-a")
			tt.change(n)
			if r := checkNode(n, tt.critical); (r != nil) != tt.refused {
				t.Errorf("refused: %v", r)
			}
		})
	}
}

func TestAppArmorByAnnotation(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.29.14": true, "v1.30.0": false, "v1.35.4": false, "v1.28.9-eks-1234": true, "v1.27.3-gke.100": true, "": false, "nonsense": false,
	} {
		n := readyNode("a")
		n.Status.NodeInfo.KubeletVersion = version
		if got := appArmorByAnnotation(n); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
	if appArmorByAnnotation(nil) {
		t.Error("no node")
	}
}

func TestCarriers(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0", 64)
	image := func(size int64, names ...string) corev1.ContainerImage {
		return corev1.ContainerImage{Names: names, SizeBytes: size}
	}
	for name, tt := range map[string]struct {
		images []corev1.ContainerImage
		inUse  []string
		want   []string
	}{
		"nothing": {},
		"free images first, in their order": {
			images: []corev1.ContainerImage{
				image(10, "shop/app:1"), image(500, "registry.k8s.io/coredns/coredns:v1.14"),
				image(300, "registry.k8s.io/pause:3.10"), image(900, "registry.k8s.io/kube-proxy:v1.35"),
			},
			want: []string{"registry.k8s.io/pause:3.10", "registry.k8s.io/kube-proxy:v1.35", "registry.k8s.io/coredns/coredns:v1.14", "shop/app:1"},
		},
		"small before large": {
			images: []corev1.ContainerImage{image(900, "shop/big:1"), image(10, "shop/small:1")},
			want:   []string{"shop/small:1", "shop/big:1"},
		},
		"the tag of an image with both": {
			images: []corev1.ContainerImage{image(1, "shop/app"+digest, "shop/app:1")},
			want:   []string{"shop/app:1"},
		},
		"a digest alone": {
			images: []corev1.ContainerImage{image(1, "shop/app"+digest)},
			want:   []string{"shop/app" + digest},
		},
		"useless names": {
			images: []corev1.ContainerImage{
				image(1, "<none>@<none>", "<none>:<none>"), image(1), image(1, ""),
				image(1, "sha256:"+strings.Repeat("1", 64)), image(1, strings.Repeat("a", 600)+":1"), image(1, "localhost:5000/untagged"),
			},
		},
		"a registry's port is no tag": {
			images: []corev1.ContainerImage{image(1, "localhost:5000/app:2")},
			want:   []string{"localhost:5000/app:2"},
		},
		"images in use that the node does not list": {
			images: []corev1.ContainerImage{image(10, "shop/app:1")},
			inUse:  []string{"registry.k8s.io/kube-proxy:v1.35", "shop/app:1", "bad name"},
			want:   []string{"registry.k8s.io/kube-proxy:v1.35", "shop/app:1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := readyNode("a")
			n.Status.Images = tt.images
			if diff := cmp.Diff(tt.want, append([]string(nil), Carriers(n, tt.inUse)...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := Carriers(nil, []string{"a/pause:1"}); len(got) != 1 {
		t.Errorf("without node facts: %v", got)
	}
}

func FuzzCarriers(f *testing.F) {
	f.Add("registry.k8s.io/pause:3.10", "a@sha256:00")
	f.Add("<none>@<none>", "@@::")
	f.Fuzz(func(t *testing.T, a, b string) {
		n := readyNode("n")
		n.Status.Images = []corev1.ContainerImage{{Names: []string{a, b}}}
		for _, ref := range Carriers(n, []string{b}) {
			if ref == "" || strings.ContainsAny(ref, " \n<>") {
				t.Errorf("carrier %q", ref)
			}
		}
	})
}

func TestSandboxed(t *testing.T) {
	pod := func(uid, class string) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p-" + uid, UID: types.UID(uid)}}
		if class != "" {
			p.Spec.RuntimeClassName = &class
		}
		return p
	}
	pods := []corev1.Pod{pod("1", "gvisor"), pod("2", "kata-qemu"), pod("3", "runc"), pod("4", ""), pod("5", "gvisor")}
	got := sandboxed(pods, []string{"1", "2", "3", "4", "9"})
	want := []string{
		"pod p-1 runs in gVisor: the node's kernel does not show its processes",
		"pod p-2 runs in Kata Containers: the node's kernel does not show its processes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
