//go:build !linux

// Command labctl runs a real Kubernetes cluster on one Linux machine.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "labctl: the lab runs on Linux only, it is made of Linux namespaces and cgroups")
	os.Exit(1)
}
