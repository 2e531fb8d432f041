package cluster

import (
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// login is what a client gives a server, or a server knows. The values never
// leave the observer.
type login struct {
	user, password, database value
}

// endings are the words with which variables for the parts of a login end.
var endings = []struct {
	part  string
	words []string
}{
	{config.Password, []string{"PASSWORD", "PASS", "PASSWD", "PWD"}},
	{config.User, []string{"USER", "USERNAME"}},
	{config.Database, []string{"DATABASE", "DBNAME", "DB_NAME", "DB", "SCHEMA"}},
}

// partOf cuts a variable's name into what it begins with and which part of a
// login it holds.
func partOf(name string) (begin, part string) {
	upper := strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
	for _, e := range endings {
		for _, w := range e.words {
			if upper == w {
				return "", e.part
			}
			if b, ok := strings.CutSuffix(upper, "_"+w); ok {
				return b, e.part
			}
		}
	}
	return "", ""
}

// client is a container that logs in at a Service.
type client struct {
	pod       *corev1.Pod
	container string
	service   event.Key
	login
}

// clientsOf lists the logins in a container's environment: the variables that
// begin as a host variable which names a Service, and those in a URL.
func clientsOf(p *corev1.Pod, container string, env []value, services *topology.Services) []client {
	var out []client
	for _, v := range env {
		for _, h := range topology.Hosts(v.name, v.text) {
			svc := services.Lookup(p.Namespace, h.Name)
			if svc == nil {
				continue
			}
			c := client{pod: p, container: container, service: event.ServiceKey(svc.Namespace, svc.Name)}
			if !c.fromURL(v) {
				c.fromBeside(v.name, env)
			}
			if c.password.text != "" && !slices.ContainsFunc(out, func(o client) bool { return o.service == c.service && o.login == c.login }) {
				out = append(out, c)
			}
		}
	}
	return out
}

// fromURL reads a login out of scheme://user:password@host/database.
func (c *client) fromURL(v value) bool {
	u, err := url.Parse(strings.TrimPrefix(v.text, "jdbc:"))
	if err != nil || u.User == nil {
		return false
	}
	password, ok := u.User.Password()
	if !ok {
		return false
	}
	c.user, c.password, c.database = v, v, v
	c.user.text, c.password.text, c.database.text = u.User.Username(), password, strings.Trim(u.Path, "/")
	return true
}

// fromBeside reads a login out of the variables that begin as the host's.
func (c *client) fromBeside(host string, env []value) {
	begin := strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(base(host)))
	for _, v := range env {
		b, part := partOf(v.name)
		if b != begin {
			continue
		}
		c.set(part, v)
	}
}

func (l *login) set(part string, v value) {
	switch part {
	case config.User:
		l.user = v
	case config.Password:
		l.password = v
	case config.Database:
		l.database = v
	}
}

// servers are how common database images are told their own accounts: what
// their variables begin with, and the name of the account that has all rights.
var servers = []struct {
	begin, root  string
	rootPassword string
}{
	{"MYSQL", "root", "MYSQL_ROOT_PASSWORD"},
	{"MARIADB", "root", "MARIADB_ROOT_PASSWORD"},
	{"POSTGRES", "", ""},
	{"POSTGRESQL", "", ""},
	{"MONGO_INITDB_ROOT", "", ""},
	{"RABBITMQ_DEFAULT", "", ""},
	{"REDIS", "", ""},
}

// accounts lists the logins that a server's container was told to know.
func accounts(env []value) []login {
	var out []login
	for _, s := range servers {
		if calls(env, s.begin) {
			continue
		}
		var l login
		for _, v := range env {
			if b, part := partOf(v.name); b == s.begin {
				l.set(part, v)
			}
			if s.rootPassword != "" && v.name == s.rootPassword {
				out = append(out, login{user: value{name: v.name, text: s.root}, password: v})
			}
		}
		if s.begin == "POSTGRES" && l.password.text != "" && l.user.text == "" {
			l.user = value{name: "POSTGRES_USER", text: "postgres"}
		}
		if l.password.text != "" {
			out = append(out, l)
		}
	}
	return out
}

// calls tells whether the variables that begin so are those of a client: they
// name a host, too.
func calls(env []value, begin string) bool {
	return slices.ContainsFunc(env, func(v value) bool {
		return strings.EqualFold(base(v.name), begin) && len(topology.Hosts(v.name, v.text)) > 0
	})
}
