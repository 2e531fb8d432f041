package main

import (
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// common is what every command shares.
type common struct {
	genericiooptions.IOStreams
	config  *genericclioptions.ConfigFlags
	verbose int
}

func newRoot(streams genericiooptions.IOStreams) *cobra.Command {
	c := &common{IOStreams: streams, config: genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag()}
	// A plugin asks little and often in parallel; the defaults would make it
	// wait for itself.
	c.config.WithWrapConfigFn(func(r *rest.Config) *rest.Config {
		r.QPS, r.Burst = 100, 200
		r.WarningHandler = rest.NewWarningWriter(streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
		return r
	})
	root := &cobra.Command{
		Use:   "kubectl-tapio",
		Short: "Explain why a pod is failing",
		Long: "Tapio explains why a pod is failing: it joins what the node's kernel saw with what\n" +
			"Kubernetes says, and tells how it came to this, with evidence for every step.",
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl tapio"},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { c.quietLibraries(); return nil },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	c.config.AddFlags(root.PersistentFlags())
	root.PersistentFlags().IntVarP(&c.verbose, "v", "v", 0, "1 prints what the run took and when, 2 and above also what libraries log")
	root.PersistentFlags().Lookup("v").NoOptDefVal = "1"
	root.AddCommand(newExplain(c), newRecord(c), newEvents(c), newEvidence(c), newReplay(c), newTape(c), newPreflight(c), newCleanup(c), newCompletion(c), newOptions(c), newVersion(c))
	addTUI(root, c)
	c.completeConfig(root)
	return root
}

// quietLibraries keeps what client-go logs off the screen: its errors come back
// as errors anyway.
func (c *common) quietLibraries() {
	if c.verbose >= 2 {
		return
	}
	klog.SetLogger(logr.Discard())
	runtime.ErrorHandlers = nil
}

// newOptions lists the flags that every command takes, as kubectl options does.
func newOptions(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "List the flags that every command takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(c.Out, "These flags can be passed to any command:\n\n%s", cmd.InheritedFlags().FlagUsages())
			return nil
		},
	}
}
