// Package catalog holds the lists of all observers, one for each side, so that
// adding an observer edits no central file: `go generate` finds its folder.
package catalog

//go:generate go run ./gen ..
