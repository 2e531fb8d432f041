// Package target turns what a user names on the command line into the pods a
// run is about.
package target

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// Target is what a run is about.
type Target struct {
	// Kind is the kind of the object named: Pod, Deployment, StatefulSet,
	// DaemonSet, Job, CronJob, ReplicaSet, Service, Node or any other kind that
	// has pods; Namespace when nothing was named, Cluster for all namespaces,
	// Pods when a label selector or several objects were given.
	Kind      string
	Namespace string // empty for nodes and for the whole cluster
	Name      string
	// Workload is the controller that holds the target's pods, when there is
	// exactly one.
	Workload event.Key
	// Pods are the pods of the target as they were when it was resolved.
	Pods []*corev1.Pod

	match func(*corev1.Pod) bool
}

// String is the target as it can be typed again: "deploy/checkout" forms are
// spelled out, as in "Deployment/checkout".
func (t *Target) String() string {
	switch t.Kind {
	case "Namespace":
		return "namespace/" + t.Namespace
	case "Cluster":
		return "all namespaces"
	}
	return strings.ToLower(t.Kind) + "/" + t.Name
}

// Whole tells whether the target is a whole namespace or cluster.
func (t *Target) Whole() bool { return t.Kind == "Namespace" || t.Kind == "Cluster" }

// Scope matches the target's pods, those made later included: a Deployment's
// by owner, a Service's by selector, a pod by its uid.
func (t *Target) Scope() cluster.Scope {
	if t.Whole() {
		return cluster.Scope{}
	}
	return cluster.Scope{Match: t.match}
}

// LiveOptions are the options for cluster.Live that fit the target.
func (t *Target) LiveOptions() cluster.Options {
	if t.Kind == "Node" {
		return cluster.Options{Node: t.Name}
	}
	return cluster.Options{}
}

// Options says what was typed.
type Options struct {
	Args          []string // "pod/x", "pod x", "x", "deploy/a deploy/b"; none is the namespace
	Selector      string   // -l
	Files         resource.FilenameOptions
	AllNamespaces bool
	// Client is used when set; otherwise one is made from the getter.
	Client kubernetes.Interface
	// Source, a static one, is used instead of any client when set. Only
	// built-in kinds are targets then.
	Source *cluster.Source
	// Namespace is used when set; otherwise the getter's.
	Namespace string
}

// Resolve finds the target. Built-in kinds are asked for directly, without
// discovery; other kinds go through the getter's REST mapper. Its errors are
// one sentence.
func Resolve(ctx context.Context, getter genericclioptions.RESTClientGetter, o Options) (*Target, error) {
	r := &resolver{ctx: ctx, getter: getter, namespace: o.Namespace}
	if err := r.complete(o); err != nil {
		return nil, err
	}
	hasFiles := len(o.Files.Filenames) > 0 || o.Files.Kustomize != ""
	switch {
	case o.AllNamespaces && (len(o.Args) > 0 || hasFiles):
		return nil, fmt.Errorf("a target cannot be named together with all namespaces: leave one of them out")
	case hasFiles && (len(o.Args) > 0 || o.Selector != ""):
		return nil, fmt.Errorf("name the target either by file or by name or selector, not both")
	case hasFiles:
		return r.files(o.Files)
	case o.AllNamespaces:
		return r.everything("", o.Selector)
	case o.Selector != "" || len(o.Args) == 0:
		return r.selected(o.Args, o.Selector)
	}
	names, err := parse(o.Args)
	if err != nil {
		return nil, err
	}
	return r.all(names)
}

// complete fills in where to read and the namespace.
func (r *resolver) complete(o Options) error {
	if r.namespace == "" {
		if r.getter == nil {
			r.namespace = metav1.NamespaceDefault
		} else {
			ns, _, err := r.getter.ToRawKubeConfigLoader().Namespace()
			if err != nil {
				return fmt.Errorf("the namespace cannot be read from the kubeconfig: %w", err)
			}
			r.namespace = ns
		}
	}
	switch {
	case o.Source != nil:
		r.from = static{*o.Source}
		return nil
	case o.Client != nil:
		r.from = live{o.Client}
		return nil
	}
	if r.getter == nil {
		return fmt.Errorf("there is no cluster to ask: no kubeconfig was given")
	}
	cfg, err := r.getter.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("no client can be made from the kubeconfig: %w", err)
	}
	r.from = live{client}
	return nil
}

// all resolves the names and joins them when there are several.
func (r *resolver) all(names []name) (*Target, error) {
	var parts []*Target
	for _, n := range names {
		t, err := r.one(n)
		if err != nil {
			return nil, err
		}
		parts = append(parts, t)
	}
	return join(parts), nil
}

func join(parts []*Target) *Target {
	if len(parts) == 1 {
		return parts[0]
	}
	out := &Target{Kind: "Pods", Namespace: parts[0].Namespace}
	seen := map[types.UID]bool{}
	var names []string
	var matches []func(*corev1.Pod) bool
	for _, t := range parts {
		names = append(names, t.String())
		matches = append(matches, t.match)
		if t.Namespace != out.Namespace {
			out.Namespace = ""
		}
		for _, p := range t.Pods {
			if !seen[cluster.UID(p)] {
				seen[cluster.UID(p)] = true
				out.Pods = append(out.Pods, p)
			}
		}
	}
	out.Name = strings.Join(names, ",")
	out.Workload = parts[0].Workload
	for _, t := range parts {
		if t.Workload != out.Workload {
			out.Workload = event.Key{}
		}
	}
	out.match = func(p *corev1.Pod) bool {
		return slices.ContainsFunc(matches, func(m func(*corev1.Pod) bool) bool { return m(p) })
	}
	return out
}

// selected resolves a label selector, alone or with a kind before it, and the
// empty command line, which is the namespace.
func (r *resolver) selected(args []string, selector string) (*Target, error) {
	if len(args) == 0 && selector == "" {
		return r.everything(r.namespace, "")
	}
	sel, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("the selector %q is not valid: %w", selector, err)
	}
	switch {
	case len(args) == 0:
		return r.everything(r.namespace, selector)
	case len(args) > 1 || strings.ContainsRune(args[0], '/'):
		return nil, fmt.Errorf("a selector selects objects of one kind, so no name may be given with it")
	}
	k, ok := kindOf(args[0])
	if !ok {
		return nil, fmt.Errorf("%q is no kind that a selector can be used with here: use pods or a workload kind", args[0])
	}
	return r.kindBySelector(k, sel)
}
