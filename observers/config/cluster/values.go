package cluster

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
)

// value is one environment variable of a container as the program sees it. It
// does not leave the observer.
type value struct {
	name, text string
	from       string // "ConfigMap NAME" or "Secret NAME", "" for the spec itself
}

func (v value) where() string { return "env " + v.name }

// env resolves the environment of a container as the kubelet does: later
// entries win, $(NAME) refers to earlier ones. What comes from an object that
// is not known, or whose values are not part of the input, is left out.
func (o *observer) env(p *corev1.Pod, c *corev1.Container) []value {
	var out []value
	at := map[string]int{}
	put := func(v value) {
		if v.text == "" || len(v.text) > maxValue || masked(v.text) {
			return
		}
		if i, ok := at[v.name]; ok {
			out[i] = v
			return
		}
		if len(out) < maxVariables {
			at[v.name] = len(out)
			out = append(out, v)
		}
	}
	for _, f := range c.EnvFrom {
		switch {
		case f.ConfigMapRef != nil:
			data := o.configMap(p.Namespace, f.ConfigMapRef.Name)
			for _, k := range slices.Sorted(maps.Keys(data)) {
				put(value{f.Prefix + k, data[k], configMap + " " + f.ConfigMapRef.Name})
			}
		case f.SecretRef != nil:
			data := o.secret(p.Namespace, f.SecretRef.Name)
			for _, k := range slices.Sorted(maps.Keys(data)) {
				put(value{f.Prefix + k, string(data[k]), secret + " " + f.SecretRef.Name})
			}
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			put(value{name: e.Name, text: expand(e.Value, func(n string) (string, bool) {
				i, ok := at[n]
				if !ok {
					return "", false
				}
				return out[i].text, true
			})})
			continue
		}
		if k := e.ValueFrom.ConfigMapKeyRef; k != nil {
			put(value{e.Name, o.configMap(p.Namespace, k.Name)[k.Key], configMap + " " + k.Name})
		}
		if k := e.ValueFrom.SecretKeyRef; k != nil {
			put(value{e.Name, string(o.secret(p.Namespace, k.Name)[k.Key]), secret + " " + k.Name})
		}
	}
	return out
}

const (
	maxValue     = 4 << 10
	maxVariables = 512
)

func (o *observer) configMap(namespace, name string) map[string]string {
	if o.src.Known(source.ConfigMaps) != nil {
		return nil
	}
	c, err := o.src.ConfigMaps.ConfigMaps(namespace).Get(name)
	if err != nil {
		return nil
	}
	return c.Data
}

func (o *observer) secret(namespace, name string) map[string][]byte {
	if o.src.Known(source.Secrets) != nil {
		return nil
	}
	s, err := o.src.Secrets.Secrets(namespace).Get(name)
	if err != nil {
		return nil
	}
	return s.Data
}

// masked tells whether a value is a stand-in for one that was taken out of the
// input: nothing but stars or x, or a word in brackets that says so.
func masked(s string) bool {
	return strings.Trim(s, "*") == "" || len(s) > 2 && strings.Trim(s, "x") == "" || strings.Trim(s, "X") == "" ||
		strings.EqualFold(s, "<redacted>") || strings.EqualFold(s, "redacted") || strings.EqualFold(s, "[redacted]")
}

// expand replaces $(NAME) as the kubelet does: $$ is a dollar sign, and what is
// not known stays as it is.
func expand(s string, lookup func(string) (string, bool)) string {
	if !strings.Contains(s, "$(") || len(s) > maxValue {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(s[i:], "$("):
			end := strings.IndexByte(s[i:], ')')
			if end < 0 {
				b.WriteString(s[i:])
				return b.String()
			}
			if v, ok := lookup(s[i+2 : i+end]); ok {
				b.WriteString(v)
			} else {
				b.WriteString(s[i : i+end+1])
			}
			i += end
		default:
			b.WriteByte(s[i])
		}
		if b.Len() > 4*maxValue {
			return b.String()
		}
	}
	return b.String()
}
