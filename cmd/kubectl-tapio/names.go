package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	"github.com/yairfalse/tapio/tui/escape"
)

// What completion may cost: nobody waits for it.
const (
	completionTimeout = 2 * time.Second
	completionNames   = 500
)

// completable are the types of targets whose names are completed, by the words
// kubectl takes for them.
var completable = []struct {
	words []string // the first one is offered
	gvr   schema.GroupVersionResource
	wide  bool // not in a namespace
}{
	{words: []string{"pod", "pods", "po"}, gvr: schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
	{words: []string{"deployment", "deployments", "deploy"}, gvr: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}},
	{words: []string{"statefulset", "statefulsets", "sts"}, gvr: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}},
	{words: []string{"daemonset", "daemonsets", "ds"}, gvr: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}},
	{words: []string{"job", "jobs"}, gvr: schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}},
	{words: []string{"service", "services", "svc"}, gvr: schema.GroupVersionResource{Version: "v1", Resource: "services"}},
	{words: []string{"node", "nodes", "no"}, gvr: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, wide: true},
}

// completeFlags offers the words that flags take.
func (o *explainOptions) completeFlags(cmd *cobra.Command) {
	words := map[string][]string{
		"output": o.formats.allowed(), "color": {"auto", "always", "never"}, "dry-run": {"none", "client", "server"},
		"profile": strings.Split(profiles(","), ","), "observers": namesOf(""), "why-not": causes(),
	}
	for flag, list := range words {
		offer(cmd, flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
	}
}

// offer sets how a flag's value is completed. The error it drops means that
// there is no such flag; TestCompletion asks for each of them.
func offer(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	_ = cmd.RegisterFlagCompletionFunc(flag, f)
}

// completeConfig offers the contexts of the kubeconfig and the cluster's
// namespaces.
func (c *common) completeConfig(root *cobra.Command) {
	offer(root, "context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		raw, err := c.config.ToRawKubeConfigLoader().RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for name := range raw.Contexts {
			names = append(names, name)
		}
		slices.Sort(names)
		return harmless(names), cobra.ShellCompDirectiveNoFileComp
	})
	offer(root, "namespace", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return c.names(cmd.Context(), schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, true), cobra.ShellCompDirectiveNoFileComp
	})
}

// completeTarget completes TYPE, TYPE NAME and TYPE/NAME.
func (c *common) completeTarget(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	kind, _, slash := strings.Cut(word, "/")
	switch {
	case slash:
		var out []string
		for _, name := range c.namesOfKind(cmd.Context(), kind) {
			out = append(out, kind+"/"+name)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	case len(args) == 0:
		var out []string
		for _, k := range completable {
			out = append(out, k.words[0]+"/")
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	case strings.Contains(args[0], "/"):
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.DeleteFunc(c.namesOfKind(cmd.Context(), args[0]), func(name string) bool {
		return slices.Contains(args[1:], name)
	}), cobra.ShellCompDirectiveNoFileComp
}

func (c *common) namesOfKind(ctx context.Context, word string) []string {
	for _, k := range completable {
		if slices.Contains(k.words, strings.ToLower(word)) {
			return c.names(ctx, k.gvr, k.wide)
		}
	}
	return nil
}

// names lists the names of a resource in the chosen namespace, or none when
// anything is wrong: completion is silent.
func (c *common) names(ctx context.Context, gvr schema.GroupVersionResource, wide bool) []string {
	// cobra completes without PersistentPreRunE.
	c.quietLibraries()
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	config, err := c.config.ToRESTConfig()
	if err != nil {
		return nil
	}
	config.Timeout = completionTimeout
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil
	}
	var from metadata.ResourceInterface = client.Resource(gvr)
	if !wide {
		namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
		if err != nil {
			return nil
		}
		from = client.Resource(gvr).Namespace(namespace)
	}
	list, err := from.List(ctx, metav1.ListOptions{Limit: completionNames})
	if err != nil {
		return nil
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.Name)
	}
	return harmless(names)
}

// harmless drops what could not be typed back: a completion goes to a shell.
func harmless(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		return name == "" || escape.Text(name) != name || strings.ContainsAny(name, " \t\n'\"`$\\;&|<>(){}*?!~#")
	})
}
