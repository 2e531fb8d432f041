// Package quiet keeps the plugin from asking the terminal for its colours when
// it starts. Bubble Tea v1 does that while packages are initialised
// (tea_init.go), in every program that links it: "kubectl tapio version" would
// write control sequences to the terminal and, where nothing answers them, wait
// five seconds. The library that asks, termenv, asks nothing when CI is set, so
// CI is set for just that moment.
//
// Go initialises packages in the order of their import paths as soon as what
// they import is ready (Go specification, "Program initialization"). This
// package needs only the standard library, termenv needs golang.org/x/sys, which
// sorts after it: so this comes first. TestStartIsQuiet in cmd/kubectl-tapio
// fails should that ever change.
package quiet

import "os"

const variable = "CI"

// set tells whether the variable is ours to take away again.
var set = start()

func start() bool {
	if os.Getenv(variable) != "" {
		return false
	}
	return os.Setenv(variable, "kubectl-tapio") == nil
}

// Over gives the environment back. It is to be called first in main.
func Over() {
	if set {
		_ = os.Unsetenv(variable) // fails for no valid name
		set = false
	}
}
