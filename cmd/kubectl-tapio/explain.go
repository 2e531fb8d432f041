package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/catalog"
	"github.com/yairfalse/tapio/observers/cluster/target"
	"github.com/yairfalse/tapio/probe/launch"
)

// explainOptions are what the user typed, then what follows from it.
type explainOptions struct {
	*common
	resources *genericclioptions.ResourceBuilderFlags

	duration   time.Duration
	since      time.Duration
	full       bool
	noProbe    bool
	formats    *formats // nil is text
	whyNot     string   // a cause that the user expected
	plain      bool
	color      string
	exitCode   bool
	dryRun     string
	profile    string
	image      string
	pullSecret string
	namespace  string // of the probes
	priority   string
	maxProbes  int
	observers  []string
	save       string // file to keep a tape in
	from       string // tape, file or directory to read instead of a cluster
	now        string // the story's "now" with --from, RFC 3339

	facts *facts // printed in place of the story when set

	args       []string
	rest       *rest.Config
	client     kubernetes.Interface
	targetNS   string
	context    string
	allSpaces  bool
	nodeSide   []string // names of node observers to run; nil means all
	clusterOff map[string]bool
}

const explainExample = `  # why does this pod fail?
  kubectl tapio explain pod/checkout-6f5c9 -n shop

  # a workload, by its bare name
  kubectl tapio explain checkout -n shop

  # from the API alone, creating nothing
  kubectl tapio explain deploy/checkout --no-probe

  # keep a tape of the run; tell its story again without a cluster
  kubectl tapio explain deploy/checkout --save checkout.tape
  kubectl tapio explain --from checkout.tape

  # from files that someone sent; no cluster is contacted
  kubectl cluster-info dump -n shop --output-directory=incident
  kubectl tapio explain deploy/checkout -n shop --from incident

  # the whole story as a document, or for an issue
  kubectl tapio explain deploy/checkout -o json
  kubectl tapio explain deploy/checkout -o markdown

  # what is broken in the whole cluster, the worst first
  kubectl tapio explain -A

  # why is it not what one would expect?
  kubectl tapio explain deploy/checkout --why-not memory/limit-oom`

func newExplain(c *common) *cobra.Command {
	cmd, _ := explainCommand(c)
	return cmd
}

func explainCommand(c *common) (*cobra.Command, *explainOptions) {
	o := &explainOptions{common: c, formats: newFormats()}
	o.resources = genericclioptions.NewResourceBuilderFlags().WithFile(false, nil).WithLabelSelector("").WithAllNamespaces(false)
	cmd := &cobra.Command{
		Use:     "explain [TARGET]",
		Short:   "Tell why a pod, workload, service or node is failing",
		Example: explainExample,
		Long: "Tells why TARGET is failing: reads the API, launches short-lived probes on the nodes that\n" +
			"matter, and prints the story with the evidence for every step. TARGET is written as in\n" +
			"kubectl (pod/x, pod x, deploy/x, svc x, node x, -l, -f) or as a bare name; without one the\n" +
			"namespace is explained. Nothing is installed and nothing stays behind.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.from != "" {
				return o.explainFrom(cmd, args)
			}
			if err := o.complete(args); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.addFlags(cmd)
	cmd.ValidArgsFunction = o.completeTarget
	o.completeFlags(cmd)
	return cmd, o
}

func (o *explainOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.resources.AddFlags(f)
	f.DurationVar(&o.duration, "duration", 30*time.Second, "longest watch; it ends earlier once the story is decided")
	f.DurationVar(&o.since, "since", time.Hour, "how far back Kubernetes' own history counts")
	f.BoolVar(&o.full, "full", false, "watch for the whole --duration")
	f.BoolVar(&o.noProbe, "no-probe", false, "create nothing: tell the story from the API alone")
	o.formats.addFlags(f)
	f.StringVar(&o.whyNot, "why-not", "", "say why this cause (as docs/causes.md names them) is not the verdict")
	f.BoolVar(&o.plain, "plain", false, "linear text without colour")
	f.StringVar(&o.color, "color", "auto", "auto, always or never")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit with 2 when a problem was found, 3 when inconclusive")
	f.StringVar(&o.dryRun, "dry-run", "none", "none, client or server: print what would be created, with -o yaml or json, and stop")
	o.addProbeFlags(f)
}

// addProbeFlags adds what says which probes run, and how.
func (o *explainOptions) addProbeFlags(f *pflag.FlagSet) {
	f.StringVar(&o.profile, "profile", string(launch.Privileged), "privilege of the probes: "+profiles(" or "))
	f.StringVar(&o.image, "probe-image", "", "image of the probe, instead of delivery through ConfigMaps")
	f.StringVar(&o.pullSecret, "image-pull-secret", "", "Secret to pull --probe-image with")
	f.StringVar(&o.namespace, "probe-namespace", "", "namespace of the probes; default kube-system, else the target's")
	f.StringVar(&o.priority, "priority-class", "", "PriorityClass of the probes")
	f.IntVar(&o.maxProbes, "max-probes", 3, "most nodes to probe, worst pods first")
	f.StringVar(&o.save, "save", "", "keep a tape of the run in this file")
	f.StringVar(&o.from, "from", "", "tell the story of this directory or file of Kubernetes objects, or of this tape; no cluster is contacted")
	f.StringVar(&o.now, "now", "", "with --from: tell it as of this time (RFC 3339); default is the newest time of the input")
	f.StringSliceVar(&o.observers, "observers", nil, "only these observers, or with a leading - all but these: "+strings.Join(namesOf(""), ", "))
}

func profiles(sep string) string {
	var names []string
	for _, p := range launch.Profiles() {
		names = append(names, string(p))
	}
	return strings.Join(names, sep)
}

// namesOf lists the observers of a side, by name; no side means all.
func namesOf(side observers.Side) []string {
	var names []string
	for _, s := range catalog.Specs {
		if side == "" || s.Side == side {
			names = append(names, s.Name)
		}
	}
	return names
}

func (o *explainOptions) complete(args []string) error {
	o.args = args
	loader := o.config.ToRawKubeConfigLoader()
	raw, err := loader.RawConfig()
	if err != nil {
		return err
	}
	if len(raw.Clusters) == 0 && *o.config.APIServer == "" {
		return clientcmd.ErrEmptyCluster
	}
	o.context = raw.CurrentContext
	if o.config.Context != nil && *o.config.Context != "" {
		o.context = *o.config.Context
	}
	if o.rest, err = o.config.ToRESTConfig(); err != nil {
		return err
	}
	if o.targetNS, _, err = loader.Namespace(); err != nil {
		return err
	}
	if o.client, err = kubernetes.NewForConfig(o.rest); err != nil {
		return err
	}
	o.allSpaces = o.resources.AllNamespaces != nil && *o.resources.AllNamespaces
	return o.completeObservers()
}

// completeObservers splits --observers into those of the node and those of the
// cluster.
func (o *explainOptions) completeObservers() error {
	all := namesOf("")
	want := map[string]bool{}
	for i, arg := range o.observers {
		name, off := strings.CutPrefix(arg, "-")
		if !slices.Contains(all, name) {
			return fmt.Errorf("there is no observer %q; explain --help lists them at --observers", name)
		}
		if i == 0 && off {
			for _, n := range all {
				want[n] = true
			}
		}
		want[name] = !off
	}
	o.clusterOff = map[string]bool{}
	if len(o.observers) == 0 {
		return nil
	}
	o.nodeSide = []string{}
	for _, n := range all {
		switch isNode := slices.Contains(namesOf(observers.Node), n); {
		case isNode && want[n]:
			o.nodeSide = append(o.nodeSide, n)
		case !isNode && !want[n]:
			o.clusterOff[n] = true
		}
	}
	if len(o.nodeSide) == 0 {
		o.noProbe = true
	}
	return nil
}

func (o *explainOptions) validate() error {
	if o.facts != nil {
		if err := o.facts.validate(o.formats.name()); err != nil {
			return err
		}
	} else if err := o.formats.validate(); err != nil {
		return err
	}
	switch {
	case o.whyNot != "" && !slices.Contains(causes(), o.whyNot):
		return fmt.Errorf("--why-not knows %s, not %q", strings.Join(causes(), ", "), o.whyNot)
	case !slices.Contains([]string{"auto", "always", "never"}, o.color):
		return fmt.Errorf("unknown --color %q: allowed are auto, always and never", o.color)
	case !slices.Contains([]string{"none", "client", "server"}, o.dryRun):
		return fmt.Errorf("unknown --dry-run %q: allowed are none, client and server", o.dryRun)
	case !slices.Contains(launch.Profiles(), launch.Profile(o.profile)):
		return fmt.Errorf("unknown --profile %q: allowed are %s", o.profile, profiles(" and "))
	case o.duration < 0 || o.since < 0:
		return fmt.Errorf("--duration and --since cannot be negative")
	case o.maxProbes < 0:
		return fmt.Errorf("--max-probes cannot be negative")
	case o.pullSecret != "" && o.image == "":
		return fmt.Errorf("--image-pull-secret needs --probe-image")
	case o.now != "":
		return fmt.Errorf("--now needs --from: a live run ends now")
	case o.save != "" && o.dryRun != "none":
		return fmt.Errorf("--dry-run watches nothing that --save could keep")
	case o.dryRun != "none" && o.noProbe:
		return fmt.Errorf("--dry-run prints the probes that would be created; --no-probe creates none")
	}
	return nil
}

func (o *explainOptions) resolve(ctx context.Context) (*target.Target, error) {
	t := o.typed()
	t.Client = o.client
	return target.Resolve(ctx, o.config, t)
}

// typed is the target as it was typed.
func (o *explainOptions) typed() target.Options {
	t := target.Options{Args: o.args, AllNamespaces: o.allSpaces, Namespace: o.targetNS}
	if o.resources.LabelSelector != nil {
		t.Selector = *o.resources.LabelSelector
	}
	if o.resources.FileNameFlags != nil {
		t.Files = o.resources.FileNameFlags.ToOptions()
	}
	return t
}
