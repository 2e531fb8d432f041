// Command image makes the probe's container image without Docker and without
// network: an OCI layout with one image for each architecture, and a tar for
// each that docker load and ctr images import take. The same programs give the
// same digests.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	probes := flag.String("probes", "bin/probe", "directory with tapio-probe-linux-ARCH, as pack -keep leaves them")
	out := flag.String("out", "dist/image", "directory to write oci/ and tapio-probe-linux-ARCH.tar to; an oci/ that is there is replaced")
	name := flag.String("name", "tapio-probe:latest", "name of the image in the tars")
	flag.Parse()
	digest, err := write(*probes, *out, *name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %s\n", *out, digest)
}
