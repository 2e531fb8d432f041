package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// maxParts bounds the parts that are told of one difference.
const maxParts = 12

// restarted is the annotation by which kubectl rollout restart makes a revision
// that differs in nothing else.
const restarted = "kubectl.kubernetes.io/restartedAt"

// differ lists in which parts two templates differ, the weightiest first:
// "image of app", "env LEVEL of app". Values are never told.
func differ(from, to *corev1.PodTemplateSpec) []string {
	var out []string
	add := func(part string, a, b any) {
		if !equality.Semantic.DeepEqual(a, b) {
			out = append(out, part)
		}
	}
	for _, list := range [][2][]corev1.Container{{from.Spec.Containers, to.Spec.Containers}, {from.Spec.InitContainers, to.Spec.InitContainers}} {
		for i := range list[1] {
			c := &list[1][i]
			j := slices.IndexFunc(list[0], func(x corev1.Container) bool { return x.Name == c.Name })
			if j < 0 {
				out = append(out, "container "+c.Name+" added")
				continue
			}
			out = append(out, differContainer(&list[0][j], c)...)
		}
		for _, c := range list[0] {
			if !slices.ContainsFunc(list[1], func(x corev1.Container) bool { return x.Name == c.Name }) {
				out = append(out, "container "+c.Name+" removed")
			}
		}
	}
	a, b := &from.Spec, &to.Spec
	add("volumes", a.Volumes, b.Volumes)
	add("service account", a.ServiceAccountName, b.ServiceAccountName)
	add("security context of the pod", a.SecurityContext, b.SecurityContext)
	add("node selector", a.NodeSelector, b.NodeSelector)
	add("affinity", a.Affinity, b.Affinity)
	add("tolerations", a.Tolerations, b.Tolerations)
	add("topology spread", a.TopologySpreadConstraints, b.TopologySpreadConstraints)
	add("readiness gates", a.ReadinessGates, b.ReadinessGates)
	add("priority class", a.PriorityClassName, b.PriorityClassName)
	add("DNS policy", [2]any{a.DNSPolicy, a.DNSConfig}, [2]any{b.DNSPolicy, b.DNSConfig})
	add("host network", a.HostNetwork, b.HostNetwork)
	add("pull secrets", a.ImagePullSecrets, b.ImagePullSecrets)
	add("grace period", a.TerminationGracePeriodSeconds, b.TerminationGracePeriodSeconds)
	add("labels", without(from.Labels, "pod-template-hash"), without(to.Labels, "pod-template-hash"))
	add("annotations", without(from.Annotations, restarted), without(to.Annotations, restarted))
	if len(out) == 0 && from.Annotations[restarted] != to.Annotations[restarted] {
		out = append(out, "nothing but a restart")
	}
	if len(out) > maxParts {
		out = append(out[:maxParts], "and more")
	}
	return out
}

func differContainer(a, b *corev1.Container) []string {
	var out []string
	add := func(part string, x, y any) {
		if !equality.Semantic.DeepEqual(x, y) {
			out = append(out, part+" of "+b.Name)
		}
	}
	add("image", a.Image, b.Image)
	add("command", [2][]string{a.Command, a.Args}, [2][]string{b.Command, b.Args})
	for _, name := range differEnv(a.Env, b.Env) {
		out = append(out, "env "+name+" of "+b.Name)
	}
	add("env sources", a.EnvFrom, b.EnvFrom)
	add("ports", a.Ports, b.Ports)
	add("limits", a.Resources.Limits, b.Resources.Limits)
	add("requests", a.Resources.Requests, b.Resources.Requests)
	add("liveness probe", a.LivenessProbe, b.LivenessProbe)
	add("readiness probe", a.ReadinessProbe, b.ReadinessProbe)
	add("startup probe", a.StartupProbe, b.StartupProbe)
	add("mounts", a.VolumeMounts, b.VolumeMounts)
	add("security context", a.SecurityContext, b.SecurityContext)
	add("lifecycle hooks", a.Lifecycle, b.Lifecycle)
	add("pull policy", a.ImagePullPolicy, b.ImagePullPolicy)
	return out
}

// differEnv names the variables that were added, removed or set otherwise.
func differEnv(a, b []corev1.EnvVar) []string {
	byName := func(list []corev1.EnvVar) map[string]corev1.EnvVar {
		m := map[string]corev1.EnvVar{}
		for _, e := range list {
			m[e.Name] = e
		}
		return m
	}
	from, to := byName(a), byName(b)
	var out []string
	for name, e := range to {
		if old, ok := from[name]; !ok || !equality.Semantic.DeepEqual(old, e) {
			out = append(out, name)
		}
	}
	for name := range from {
		if _, ok := to[name]; !ok {
			out = append(out, name)
		}
	}
	for i, name := range out {
		if len(name) > 63 {
			out[i] = strings.ToValidUTF8(name[:63], "")
		}
	}
	slices.Sort(out)
	return out
}

func without(m map[string]string, key string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}
