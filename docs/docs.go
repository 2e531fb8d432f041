// Package docs holds the documents; those about causes and observers are
// written from the code.
package docs

//go:generate go run ./gen .
