package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
)

// The kinds of objects that a pod's configuration can refer to.
const (
	configMap = "ConfigMap"
	secret    = "Secret"
)

// ref is one reference of a pod to a ConfigMap or Secret.
type ref struct {
	container string // "" for a volume of the pod
	object    string // ConfigMap or Secret
	name      string
	keys      []string // that must be there; none for the object as a whole
	where     string
	once      bool // read when the container begins and never again
}

// maxRefs bounds the references of one pod.
const maxRefs = 256

// refsOf lists what a pod refers to and cannot do without.
func refsOf(p *corev1.Pod) []ref {
	var out []ref
	add := func(r ref, optional *bool) {
		if r.name == "" || optional != nil && *optional || len(out) >= maxRefs || !source.Plausible(r.name, r.where) || !source.Plausible(r.keys...) {
			return
		}
		out = append(out, r)
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, f := range c.EnvFrom {
			if f.ConfigMapRef != nil {
				add(ref{container: c.Name, object: configMap, name: f.ConfigMapRef.Name, where: "envFrom", once: true}, f.ConfigMapRef.Optional)
			}
			if f.SecretRef != nil {
				add(ref{container: c.Name, object: secret, name: f.SecretRef.Name, where: "envFrom", once: true}, f.SecretRef.Optional)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if k := e.ValueFrom.ConfigMapKeyRef; k != nil {
				add(ref{container: c.Name, object: configMap, name: k.Name, keys: []string{k.Key}, where: "env " + e.Name, once: true}, k.Optional)
			}
			if k := e.ValueFrom.SecretKeyRef; k != nil {
				add(ref{container: c.Name, object: secret, name: k.Name, keys: []string{k.Key}, where: "env " + e.Name, once: true}, k.Optional)
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		where := "volume " + v.Name
		if c := v.ConfigMap; c != nil {
			add(ref{object: configMap, name: c.Name, keys: itemKeys(c.Items), where: where}, c.Optional)
		}
		if s := v.Secret; s != nil {
			add(ref{object: secret, name: s.SecretName, keys: itemKeys(s.Items), where: where}, s.Optional)
		}
		if v.Projected == nil {
			continue
		}
		for _, src := range v.Projected.Sources {
			if c := src.ConfigMap; c != nil && c.Name != rootCA {
				add(ref{object: configMap, name: c.Name, keys: itemKeys(c.Items), where: where}, c.Optional)
			}
			if s := src.Secret; s != nil {
				add(ref{object: secret, name: s.Name, keys: itemKeys(s.Items), where: where}, s.Optional)
			}
		}
	}
	return out
}

// rootCA is the ConfigMap that the controller manager puts into each namespace
// for the token of every pod. That it is not part of a dump means nothing.
const rootCA = "kube-root-ca.crt"

func itemKeys(items []corev1.KeyToPath) []string {
	var out []string
	for _, i := range items {
		out = append(out, i.Key)
	}
	return out
}

// up tells whether the pod has come up: all it refers to was there, then.
func up(p *corev1.Pod, container string) bool {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed || p.DeletionTimestamp != nil || p.Spec.NodeName == "" {
		return true // nothing waits for anything here, or not for configuration
	}
	all := slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
	if container == "" { // volumes are mounted before the first container is made
		return slices.ContainsFunc(all, begun)
	}
	i := slices.IndexFunc(all, func(s corev1.ContainerStatus) bool { return s.Name == container })
	return i >= 0 && (all[i].State.Waiting == nil || !configError(all[i].State.Waiting.Reason) && begun(all[i]))
}

func begun(s corev1.ContainerStatus) bool {
	return s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil || s.RestartCount > 0
}

func configError(reason string) bool { return reason == "CreateContainerConfigError" }

// missing is what the kubelet says to be missing.
type missing struct{ object, name, key string }

// missingIn reads the kubelet's words: `secret "x" not found`, `configmap "x"
// not found`, "couldn't find key k in ConfigMap ns/x", "references non-existent
// secret key: k". The last names no object.
func missingIn(message string) (missing, bool) {
	const maxMessage = 4 << 10
	message = message[:min(len(message), maxMessage)]
	for object, lead := range map[string]string{secret: `secret "`, configMap: `configmap "`} {
		if _, rest, ok := strings.Cut(message, lead); ok {
			if name, after, ok := strings.Cut(rest, `"`); ok && strings.HasPrefix(after, " not found") && source.Plausible(name) {
				return missing{object: object, name: name}, true
			}
		}
	}
	if _, rest, ok := strings.Cut(message, "couldn't find key "); ok {
		key, rest, ok := strings.Cut(rest, " in ")
		object, id, ok2 := strings.Cut(rest, " ")
		if _, name, has := strings.Cut(word(id), "/"); ok && ok2 && has && (object == secret || object == configMap) && source.Plausible(key, name) {
			return missing{object: object, name: name, key: key}, true
		}
	}
	for object, lead := range map[string]string{secret: "references non-existent secret key: ", configMap: "references non-existent config key: "} {
		if _, rest, ok := strings.Cut(message, lead); ok && source.Plausible(word(rest)) && word(rest) != "" {
			return missing{object: object, key: word(rest)}, true
		}
	}
	return missing{}, false
}

func word(s string) string {
	if i := strings.IndexAny(s, " \t\n,;\""); i >= 0 {
		return s[:i]
	}
	return s
}
