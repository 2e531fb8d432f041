// Package ports finds out from a pod's spec alone on which ports its containers
// listen: what they declare, and what their environment and arguments set.
package ports

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Claim is one statement of a spec that a container listens on a port.
type Claim struct {
	Container string
	Port      int32
	Protocol  corev1.Protocol // TCP unless the spec says another
	Name      string          // of a declared port, "" for none
	From      string          // "containerPort", "env NAME", "env NAME key" or "args --flag"
	Declared  bool            // containerPort: documents, and proves nothing alone
	HostPort  int32           // of a declared port, 0 for none
}

// The bounds of what is looked at.
const (
	maxText   = 16 << 10 // bytes of one value
	maxClaims = 256      // of one container
	maxDepth  = 4        // of a JSON value
)

// OfPod lists the claims of all containers that run side by side: the ordinary
// ones and the init containers that stay as sidecars.
func OfPod(spec *corev1.PodSpec) []Claim {
	var out []Claim
	for i := range spec.InitContainers {
		if r := spec.InitContainers[i].RestartPolicy; r != nil && *r == corev1.ContainerRestartPolicyAlways {
			out = append(out, Of(&spec.InitContainers[i])...)
		}
	}
	for i := range spec.Containers {
		out = append(out, Of(&spec.Containers[i])...)
	}
	return out
}

// Of lists the claims of one container, declared ports first. The same port may
// be claimed by several sources.
func Of(c *corev1.Container) []Claim {
	var out []Claim
	add := func(x Claim) {
		x.Container = c.Name
		if x.Protocol == "" {
			x.Protocol = corev1.ProtocolTCP
		}
		if x.Port > 0 && x.Port <= 65535 && len(out) < maxClaims && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	for _, p := range c.Ports {
		add(Claim{Port: p.ContainerPort, Protocol: p.Protocol, Name: p.Name, From: "containerPort", Declared: true, HostPort: p.HostPort})
	}
	for _, e := range c.Env {
		for _, f := range fromValue(e.Name, e.Value) {
			from := "env " + e.Name
			if f.key != "" {
				from += " " + f.key
			}
			add(Claim{Port: f.port, From: from})
		}
	}
	for _, list := range []struct {
		where string
		words []string
	}{{"command", c.Command}, {"args", c.Args}} {
		for _, f := range fromArgs(list.words) {
			add(Claim{Port: f.port, From: list.where + " " + f.key})
		}
	}
	return out
}

// found is a port with the key that announced it within a value.
type found struct {
	key  string
	port int32
}

// fromValue reads the value of an environment variable: a number whose name
// announces a port to listen on, an address of all interfaces, or a JSON object
// with such keys.
func fromValue(name, value string) []found {
	if len(value) > maxText {
		return nil
	}
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "{") {
		var doc map[string]any
		if json.Unmarshal([]byte(value), &doc) != nil {
			return nil
		}
		var out []found
		fromJSON(doc, maxDepth, &out)
		slices.SortFunc(out, func(a, b found) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.port, b.port)) })
		return out
	}
	if p, ok := AnyInterface(value); ok {
		return []found{{port: p}}
	}
	if n, ok := number(value); ok && Announces(name) {
		return []found{{port: n}}
	}
	return nil
}

func fromJSON(doc map[string]any, depth int, out *[]found) {
	if depth == 0 {
		return
	}
	for k, v := range doc {
		switch x := v.(type) {
		case float64:
			// A bare "port" in a document is as often a peer's.
			if n := int32(x); float64(n) == x && n > 0 && len(words(k)) > 1 && Announces(k) {
				*out = append(*out, found{k, n})
			}
		case string:
			if p, ok := AnyInterface(x); ok {
				*out = append(*out, found{k, p})
			}
		case map[string]any:
			fromJSON(x, depth-1, out)
		}
	}
}

// fromArgs reads flags: --port=8080, --port 8080, --listen=:8080, and any
// address of all interfaces. Commands of a shell are read word by word.
func fromArgs(args []string) []found {
	var out []found
	key := ""
	for _, a := range args {
		if len(a) > maxText {
			continue
		}
		for _, w := range strings.Fields(a) {
			w = strings.Trim(w, `"'`)
			name, value, cut := strings.Cut(w, "=")
			switch {
			case !strings.HasPrefix(w, "-") && !cut:
				name, value = key, w
			case !cut:
				key = w
				continue
			}
			key = ""
			if p, ok := AnyInterface(value); ok {
				out = append(out, found{name, p})
			} else if n, ok := number(value); ok && name != "" && Announces(name) {
				out = append(out, found{name, n})
			}
		}
	}
	return out
}

// AnyInterface reads ":8080", "0.0.0.0:8080", "[::]:8080" and "*:8080": an
// address that only a listener uses.
func AnyInterface(s string) (int32, bool) {
	for _, p := range []string{"http://", "https://", "tcp://"} {
		s = strings.TrimPrefix(s, p)
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return 0, false
	}
	switch s[:i] {
	case "", "0.0.0.0", "[::]", "*", "::":
		return number(s[i+1:])
	}
	return 0, false
}

func number(s string) (int32, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int32(n), err == nil && n > 0
}

// own are the words that a name may put before "port" when it means a port of
// the program itself; DB_PORT or REDIS_PORT is a peer's.
var own = map[string]bool{
	"server": true, "http": true, "https": true, "grpc": true, "listen": true, "listening": true, "listener": true, "bind": true,
	"app": true, "web": true, "container": true, "admin": true, "metrics": true, "metric": true, "status": true, "health": true,
	"healthz": true, "management": true, "prometheus": true, "stats": true, "debug": true, "rest": true, "tcp": true,
	"probe": true, "probes": true, "ready": true, "readiness": true, "liveness": true, "insecure": true, "secure": true, "serving": true,
}

// Announces tells whether a variable's, key's or flag's name announces a port on
// which the program itself listens: PORT, SERVER_PORT, statusPort, --http-port.
func Announces(name string) bool {
	ws := words(name)
	if len(ws) == 0 || ws[len(ws)-1] != "port" {
		return false
	}
	for _, w := range ws[:len(ws)-1] {
		if !own[w] {
			return false
		}
	}
	return true
}

// words cuts a name into lower-case words: HTTP_PORT, --http-port, httpPort.
func words(name string) []string {
	var out []string
	start := 0
	cut := func(end int) {
		if end > start {
			out = append(out, strings.ToLower(name[start:end]))
		}
		start = end
	}
	for i := 0; i < len(name); i++ {
		b := name[i]
		switch {
		case b == '_' || b == '-' || b == '.':
			cut(i)
			start = i + 1
		case b >= 'A' && b <= 'Z' && i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z':
			cut(i)
		}
	}
	cut(len(name))
	return out
}
