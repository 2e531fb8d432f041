package cluster

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// listening are the words that tell of a port to listen on. Other ports in a
// sidecar's configuration are those of the program that it stands before.
var listening = map[string]bool{
	"listen": true, "bind": true, "status": true, "admin": true, "metrics": true, "health": true, "healthcheck": true, "stats": true, "monitoring": true, "debug": true,
}

// samePorts lists the ports of the target's pods that one container declares
// and another declares, too, or is told to listen on.
func (o *observer) samePorts(pods []*corev1.Pod) []event.Event {
	var out []event.Event
	for _, p := range pods {
		if !o.src.Scope.Has(p) || over(p) {
			continue
		}
		for i := range p.Spec.Containers {
			for j := range p.Spec.Containers {
				if i == j {
					continue
				}
				a, b := &p.Spec.Containers[i], &p.Spec.Containers[j]
				port, where, ok := clash(a, b, o.env(p, b))
				if !ok || !source.Plausible(a.Name, b.Name) {
					continue
				}
				e := about(config.SamePort, p, a.Name)
				e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ContainerKey(string(source.UID(p)), b.Name)})
				config.Port.Set(&e, int64(port))
				setText(config.Where, &e, where)
				out = append(out, e)
			}
		}
	}
	return out
}

// clash finds a port that a declares and b declares, too, or is told to listen
// on.
func clash(a, b *corev1.Container, env []value) (port int, where string, ok bool) {
	told := listensOn(b, env)
	for _, p := range a.Ports {
		n := int(p.ContainerPort)
		if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP || n <= 0 {
			continue
		}
		for _, q := range b.Ports {
			if int(q.ContainerPort) == n && (q.Protocol == "" || q.Protocol == corev1.ProtocolTCP) {
				return n, "containerPort", true
			}
		}
		if where, ok := told[n]; ok {
			return n, where, true
		}
	}
	return 0, "", false
}

// listensOn are the ports that a container's environment and arguments tell it
// to listen on: numbers under a name that ends in "port" and has a word for
// listening before it (STATUS_PORT, --metrics-port, "statusPort": 1).
func listensOn(c *corev1.Container, env []value) map[int]string {
	out := map[int]string{}
	note := func(where, key, text string) {
		if n, err := strconv.ParseUint(strings.Trim(text, `"' `), 10, 16); err == nil && n > 0 && listens(key) {
			if _, seen := out[int(n)]; !seen {
				out[int(n)] = where
			}
		}
	}
	for _, v := range env {
		note(v.where(), v.name, v.text)
		for _, pair := range strings.FieldsFunc(v.text, func(r rune) bool { return strings.ContainsRune("{},\n", r) }) {
			if key, text, ok := strings.Cut(pair, ":"); ok {
				key = strings.Trim(key, `"' `)
				note(fmt.Sprintf("%s: %s", v.where(), key), key, text)
			}
		}
	}
	for i, a := range c.Args {
		key, text, ok := strings.Cut(a, "=")
		if !ok && i+1 < len(c.Args) {
			text = c.Args[i+1]
		}
		note("args "+key, key, text)
	}
	return out
}

// listens tells whether a name is that of a port to listen on.
func listens(key string) bool {
	const maxKey = 64
	if len(key) > maxKey {
		return false
	}
	var words []string
	word := ""
	for i, r := range strings.TrimLeft(key, "-") {
		upper := r >= 'A' && r <= 'Z'
		switch {
		case r == '_' || r == '-' || r == '.':
			words, word = append(words, word), ""
			continue
		case upper && i > 0 && word != "" && word[len(word)-1] >= 'a':
			words, word = append(words, strings.ToLower(word)), ""
		}
		word += string(r)
	}
	words = append(words, word)
	if !strings.EqualFold(words[len(words)-1], "port") {
		return false
	}
	for _, w := range words[:len(words)-1] {
		if listening[strings.ToLower(w)] {
			return true
		}
	}
	return false
}
