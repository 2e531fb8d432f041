// Command compile writes loader-linux-ARCH for every architecture.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/yairfalse/tapio/probe/loader"
)

func main() {
	src := flag.String("src", "src", "directory of loader.c")
	dir := flag.String("dir", ".", "directory to write to")
	flag.Parse()
	for arch := range loader.Triples() {
		if err := loader.Compile(context.Background(), *src, arch, filepath.Join(*dir, "loader-linux-"+arch)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
