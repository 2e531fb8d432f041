// Command release writes a release of the plugin: archives for every platform,
// checksums.txt and the krew manifest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/yairfalse/tapio/krew"
)

func main() {
	o := krew.Options{Report: os.Stdout}
	flag.StringVar(&o.Root, "root", ".", "the checkout")
	flag.StringVar(&o.Out, "out", "dist", "directory to write to")
	flag.StringVar(&o.Version, "version", "", "version of the release, as v1.2.3")
	flag.StringVar(&o.URI, "uri", "", "URL of the directory the archives will be downloaded from (default: the project's release page)")
	platforms := flag.String("platforms", "", "only these, as linux/amd64,darwin/arm64 (default: all)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := release(ctx, o, *platforms)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func release(ctx context.Context, o krew.Options, platforms string) error {
	var err error
	if o.Platforms, err = krew.ParsePlatforms(platforms); err != nil {
		return err
	}
	return krew.Release(ctx, o)
}
