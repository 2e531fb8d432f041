package launch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
)

// checkNode says why no probe can run on the node, or nil. evictionExempt is
// true for a probe of a priority that a node under pressure still admits.
func checkNode(node *corev1.Node, evictionExempt bool) *Refused {
	refuse := func(ask, format string, args ...any) *Refused {
		return &Refused{Node: node.Name, Reason: BadNode, Ask: ask, What: fmt.Sprintf(format, args...)}
	}
	if os := nodeOS(node); os != "" && os != "linux" {
		return refuse("", "node %s runs %s; probes need Linux", node.Name, clean(os))
	}
	if virtualKubelet(node) {
		return refuse("", "node %s is a virtual kubelet: it has no kernel to look into", node.Name)
	}
	for _, c := range node.Status.Conditions {
		switch {
		case c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue:
			r := refuse("look at its kubelet", "node %s is not ready", node.Name)
			r.Why = c.Message
			return r
		case c.Type == corev1.NodeDiskPressure && c.Status == corev1.ConditionTrue && !evictionExempt,
			c.Type == corev1.NodePIDPressure && c.Status == corev1.ConditionTrue && !evictionExempt:
			return refuse(askPriority, "node %s has %s and admits no ordinary pod", node.Name, c.Type)
		}
	}
	return nil
}

// criticalPriority tells whether a class is one of the two that the kubelet
// admits under pressure.
func criticalPriority(class string) bool {
	return class == "system-node-critical" || class == "system-cluster-critical"
}

func nodeOS(node *corev1.Node) string {
	if os := node.Status.NodeInfo.OperatingSystem; os != "" {
		return strings.ToLower(os)
	}
	return node.Labels[corev1.LabelOSStable]
}

func nodeArch(node *corev1.Node) string {
	if arch := node.Status.NodeInfo.Architecture; arch != "" {
		return arch
	}
	return node.Labels[corev1.LabelArchStable]
}

// virtualKubelet recognises nodes whose pods run in another system.
func virtualKubelet(node *corev1.Node) bool {
	if node.Labels["type"] == "virtual-kubelet" || strings.HasPrefix(node.Spec.ProviderID, "virtual-kubelet") {
		return true
	}
	if node.Labels["eks.amazonaws.com/compute-type"] == "fargate" {
		return true
	}
	for _, t := range node.Spec.Taints {
		if t.Key == "virtual-kubelet.io/provider" {
			return true
		}
	}
	return false
}

// appArmorByAnnotation tells whether the node's kubelet is older than 1.30 and
// takes the AppArmor profile from the annotation alone (KEP-24).
func appArmorByAnnotation(node *corev1.Node) bool {
	if node == nil {
		return false
	}
	v, err := version.ParseGeneric(node.Status.NodeInfo.KubeletVersion)
	return err == nil && v.LessThan(version.MajorMinor(1, 30))
}

// podsOn lists the pods of a namespace on a node. A namespace that cannot be
// read has none: what they would tell is also in the node's own status.
func podsOn(ctx context.Context, client kubernetes.Interface, node, namespace string) []corev1.Pod {
	list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector("spec.nodeName", node).String(),
		ResourceVersion: "0", // from the server's cache
	})
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Spec.NodeName != node })
}

// imagesInUse lists the images of running containers, as their pods ask for
// them.
func imagesInUse(pods []corev1.Pod) []string {
	var out []string
	for _, p := range pods {
		for _, st := range p.Status.ContainerStatuses {
			if st.State.Running == nil {
				continue
			}
			for _, c := range p.Spec.Containers {
				if c.Name == st.Name {
					out = append(out, c.Image)
				}
			}
		}
	}
	return out
}

// pullSecret returns the pull secret of the target's own pods, which also
// covers its images when the probe is in the same namespace.
func pullSecret(pods []corev1.Pod, uids []string) string {
	for _, p := range pods {
		if slices.Contains(uids, string(p.UID)) && len(p.Spec.ImagePullSecrets) > 0 {
			return p.Spec.ImagePullSecrets[0].Name
		}
	}
	return ""
}

// sandboxed says for each target pod whose RuntimeClass hides its processes
// which one that is.
func sandboxed(pods []corev1.Pod, uids []string) []string {
	var out []string
	for _, p := range pods {
		if p.Spec.RuntimeClassName == nil || !slices.Contains(uids, string(p.UID)) {
			continue
		}
		if s := Sandbox(*p.Spec.RuntimeClassName); s != "" {
			out = append(out, fmt.Sprintf("pod %s runs in %s: the node's kernel does not show its processes", p.Name, s))
		}
	}
	return out
}

// Sandbox names the sandbox that a RuntimeClass puts its pods into, whose
// processes the node's kernel does not show, or "". It goes by the words that
// the sandboxes' own installers put into the class's name.
func Sandbox(runtimeClass string) string {
	name := strings.ToLower(runtimeClass)
	for _, s := range [][2]string{
		{"gvisor", "gVisor"}, {"runsc", "gVisor"}, {"kata", "Kata Containers"},
		{"peerpods", "Kata Containers"}, {"firecracker", "Firecracker"}, {"kuasar", "Kuasar"},
	} {
		if strings.Contains(name, s[0]) {
			return s[1]
		}
	}
	return ""
}
