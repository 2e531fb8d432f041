package target

import (
	"fmt"
	"strings"
)

// kind is a built-in kind that can be a target.
type kind struct {
	name  string // as in objects: Deployment
	group string
	// alias are the names users type, in lower case.
	alias []string
	// workload tells that it controls pods.
	workload bool
}

var kinds = []kind{
	{"Pod", "", []string{"pod", "pods", "po"}, false},
	{"Deployment", "apps", []string{"deployment", "deployments", "deploy"}, true},
	{"StatefulSet", "apps", []string{"statefulset", "statefulsets", "sts"}, true},
	{"DaemonSet", "apps", []string{"daemonset", "daemonsets", "ds"}, true},
	{"ReplicaSet", "apps", []string{"replicaset", "replicasets", "rs"}, true},
	{"Job", "batch", []string{"job", "jobs"}, true},
	{"CronJob", "batch", []string{"cronjob", "cronjobs", "cj"}, true},
	{"Service", "", []string{"service", "services", "svc"}, false},
	{"Node", "", []string{"node", "nodes", "no"}, false},
	{"Namespace", "", []string{"namespace", "namespaces", "ns"}, false},
}

// kindOf knows a built-in kind by each of its names, also with the group or the
// version and group behind a dot, as in deployments.v1.apps.
func kindOf(word string) (kind, bool) {
	word, rest, _ := strings.Cut(strings.ToLower(word), ".")
	for _, k := range kinds {
		for _, a := range k.alias {
			if a != word {
				continue
			}
			rest = strings.TrimPrefix(rest, "v1.")
			return k, rest == "" || rest == k.group || rest == "v1"
		}
	}
	return kind{}, false
}

// name is one object as typed.
type name struct {
	kind string // as typed; empty for a bare word
	name string
}

// parse reads "KIND/NAME", "KIND NAME [NAME...]" and a bare "NAME".
func parse(args []string) ([]name, error) {
	var out []name
	slashes := 0
	for _, a := range args {
		k, n, ok := strings.Cut(a, "/")
		if !ok {
			continue
		}
		slashes++
		if k == "" || n == "" || strings.Contains(n, "/") {
			return nil, fmt.Errorf("%q is not a target: write it as TYPE/NAME, for example deploy/checkout", a)
		}
		out = append(out, name{k, n})
	}
	switch {
	case slashes == len(args):
		return out, nil
	case slashes > 0:
		return nil, fmt.Errorf("do not mix TYPE/NAME and TYPE NAME: write each target as TYPE/NAME")
	case len(args) == 1:
		return []name{{"", args[0]}}, nil
	}
	for _, n := range args[1:] {
		out = append(out, name{args[0], n})
	}
	return out, nil
}
