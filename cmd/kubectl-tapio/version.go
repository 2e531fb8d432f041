package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yairfalse/tapio/probe/launch/payload"
	"github.com/yairfalse/tapio/probe/wire"
)

func newVersion(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the plugin and of the probes it carries",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(c.Out, "kubectl-tapio %s (%s, %s/%s)\n", wire.Build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, arch := range payload.Arches() {
				p, err := payload.Load(arch)
				switch {
				case errors.Is(err, payload.ErrMissing):
					fmt.Fprintf(c.Out, "probe linux/%s: not carried by this build\n", arch)
				case err != nil:
					return err
				default:
					size := 0
					for _, part := range p.Parts {
						size += len(part)
					}
					fmt.Fprintf(c.Out, "probe linux/%s: %s, %.1f MB packed, sha256 %s\n", arch, p.Build, float64(size)/1e6, strings.ToLower(p.SHA256[:12]))
				}
			}
			return nil
		},
	}
}
