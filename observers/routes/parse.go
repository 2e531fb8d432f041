package routes

import (
	"net/url"
	"strconv"
	"strings"
)

// Found is a route in a gateway's configuration.
type Found struct {
	Name  string // the route's own, "" for none
	Path  string
	Host  string // of the target, lower case
	Port  int    // 0 when the target gives none
	Bound bool   // the target is a plain http(s) address, not a name in a registry
}

// The bounds of what is read of one file.
const (
	maxFile   = 256 << 10
	maxRoutes = 512
)

// Parse reads the routes of a gateway's configuration: routes of Spring Cloud
// Gateway in YAML or properties, locations of nginx with proxy_pass, backends of
// HAProxy. What it does not understand it passes over. env resolves ${NAME};
// without a value the default after the colon holds.
func Parse(text string, env func(string) (string, bool)) []Found {
	if len(text) > maxFile {
		text = text[:maxFile]
	}
	p := &parser{env: env, upstreams: map[string]string{}, acls: map[string]string{}}
	for line := range strings.Lines(text) {
		p.line(strings.TrimSpace(line))
	}
	p.flush()
	return p.resolve()
}

type parser struct {
	env       func(string) (string, bool)
	now       pending
	done      []pending
	upstreams map[string]string // nginx upstream or HAProxy backend → "host:port"
	upstream  string            // the one whose servers are read
	acls      map[string]string // HAProxy: path by acl
}

// pending is a route that is being read.
type pending struct{ name, path, target string }

func (p *parser) flush() {
	if p.now.path != "" && p.now.target != "" && len(p.done) < maxRoutes {
		p.done = append(p.done, p.now)
	}
	p.now = pending{}
}

func (p *parser) line(s string) {
	if s == "" || s[0] == '#' {
		return
	}
	key, value, isPair := pair(s)
	switch {
	case isPair && key == "- id", strings.HasPrefix(s, "- id:"):
		p.flush()
		p.now.name = value
	case isPair && (key == "uri" || key == "- uri"):
		if p.now.target != "" || key == "- uri" {
			p.flush()
		}
		p.now.target = value
	case isPair && key == "id" && p.now.name == "":
		p.now.name = value
	case strings.Contains(s, "Path=") && strings.HasPrefix(s, "-"):
		_, path, _ := strings.Cut(s, "Path=")
		p.setPath(strings.Trim(path, `"' `))
	case strings.Contains(s, "].predicates[") && strings.Contains(s, "Path="):
		_, path, _ := strings.Cut(s, "Path=")
		p.setPath(path)
	case strings.Contains(s, "].id="):
		p.flush()
		_, p.now.name, _ = strings.Cut(s, "].id=")
	case strings.Contains(s, "].uri="):
		_, p.now.target, _ = strings.Cut(s, "].uri=")
	case strings.HasPrefix(s, "location "):
		p.flush()
		fields := strings.Fields(strings.TrimRight(s, "{ "))
		p.setPath(fields[len(fields)-1])
		p.inline(s)
	case strings.HasPrefix(s, "proxy_pass "), strings.HasPrefix(s, "grpc_pass "):
		p.pass(s)
	default:
		p.servers(s)
	}
}

// inline reads a proxy_pass on the line of its location.
func (p *parser) inline(s string) {
	if _, rest, ok := strings.Cut(s, "proxy_pass "); ok {
		head, _, _ := strings.Cut(s, "{")
		if fields := strings.Fields(head); len(fields) > 1 {
			p.now.path = fields[len(fields)-1]
		}
		p.pass("proxy_pass " + rest)
	}
}

func (p *parser) pass(s string) {
	if p.now.path == "" {
		return
	}
	fields := strings.Fields(s)
	if len(fields) < 2 {
		return
	}
	p.now.target, _, _ = strings.Cut(fields[1], ";")
	p.flush()
}

// servers reads upstreams of nginx and backends and rules of HAProxy.
func (p *parser) servers(s string) {
	f := strings.Fields(strings.TrimRight(s, "{ "))
	if len(f) < 2 {
		if s == "}" {
			p.upstream = ""
		}
		return
	}
	switch f[0] {
	case "upstream", "backend":
		p.upstream = f[1]
	case "frontend", "listen", "server_name":
		p.upstream = ""
	case "server":
		addr := strings.TrimRight(f[1], ";")
		if len(f) > 2 && !strings.Contains(addr, ":") && strings.Contains(f[2], ":") { // HAProxy names its servers
			addr = f[2]
		}
		if p.upstream != "" && p.upstreams[p.upstream] == "" && len(p.upstreams) < maxRoutes {
			p.upstreams[p.upstream] = addr
		}
	case "acl":
		if len(f) > 3 && strings.HasPrefix(f[2], "path") && len(p.acls) < maxRoutes {
			p.acls[f[1]] = f[len(f)-1]
		}
	case "use_backend":
		if len(f) > 3 && f[2] == "if" {
			path := p.acls[f[3]]
			if f[3] == "{" && len(f) > 5 {
				path = f[5]
			}
			p.flush()
			p.now = pending{name: f[1], path: path, target: "http://" + f[1]}
			p.flush()
		}
	}
}

func (p *parser) setPath(path string) {
	if p.now.path == "" {
		p.now.path, _, _ = strings.Cut(path, ",")
	}
}

// pair reads "key: value".
func pair(s string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(s, ": ")
	if !ok {
		return "", "", false
	}
	value = strings.TrimSpace(value)
	if i := strings.Index(value, " #"); i >= 0 {
		value = strings.TrimSpace(value[:i])
	}
	return key, strings.Trim(value, `"'`), true
}

// resolve turns what was read into routes with hosts.
func (p *parser) resolve() []Found {
	var out []Found
	for _, r := range p.done {
		target := p.expand(r.target)
		u, err := url.Parse(target)
		if err != nil || u.Host == "" || len(r.path) > 1024 || len(r.name) > 253 || len(u.Host) > 260 {
			continue
		}
		host, port := u.Hostname(), u.Port()
		if up, ok := p.upstreams[host]; ok && port == "" {
			host, port, _ = strings.Cut(up, ":")
		}
		f := Found{Name: r.name, Path: r.path, Host: strings.ToLower(host), Bound: u.Scheme == "http" || u.Scheme == "https"}
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			f.Port = int(n)
		}
		if f.Host != "" && len(f.Host) <= 253 {
			out = append(out, f)
		}
	}
	return out
}

// maxExpand bounds how many references of one target are replaced.
const maxExpand = 16

// expand replaces ${NAME} and ${NAME:default}.
func (p *parser) expand(s string) string {
	for range maxExpand {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		j := strings.IndexByte(s[i:], '}')
		if j < 0 {
			break
		}
		name, def, _ := strings.Cut(s[i+2:i+j], ":")
		value := strings.TrimPrefix(def, "-")
		if p.env != nil {
			if v, ok := p.env(name); ok && !strings.Contains(v, "${") {
				value = v
			}
		}
		s = s[:i] + value + s[i+j+1:]
	}
	return s
}
