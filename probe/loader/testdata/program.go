// Command program shows how it was started.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("%q\n%q\n", os.Args, os.Environ())
	os.Exit(42)
}
