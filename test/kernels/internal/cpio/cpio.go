// Package cpio writes archives in the form in which Linux takes its first file
// system ("newc", Documentation/driver-api/early-userspace/buffer-format.rst).
package cpio

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Writer writes one archive. Its first error sticks; Close returns it.
type Writer struct {
	w    io.Writer
	n    int64
	ino  uint32
	dirs map[string]bool
	err  error
}

// NewWriter returns a writer of an empty archive.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, dirs: map[string]bool{".": true, "/": true}}
}

const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

// File adds a regular file, and the directories above it, with the permission
// bits of mode.
func (c *Writer) File(name string, mode fs.FileMode, content []byte) {
	c.parents(name)
	c.entry(clean(name), typeFile|uint32(mode.Perm()), content)
}

// Dir adds a directory and those above it.
func (c *Writer) Dir(name string) {
	name = clean(name)
	if c.dirs[name] {
		return
	}
	c.parents(name)
	c.dirs[name] = true
	c.entry(name, typeDir|0o755, nil)
}

// Link adds a symbolic link.
func (c *Writer) Link(name, target string) {
	c.parents(name)
	c.entry(clean(name), typeLink|0o777, []byte(target))
}

// Tree adds what is below dir on this machine as what is below name. Anything
// but files, directories and symbolic links is left out.
func (c *Writer) Tree(name, dir string) {
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		at := path.Join(name, filepath.ToSlash(rel))
		switch d.Type() {
		case fs.ModeDir:
			c.Dir(at)
		case fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			c.Link(at, target)
		case 0:
			return c.FileOf(at, p)
		}
		return c.err
	})
	if c.err == nil {
		c.err = err
	}
}

// FileOf adds a file of this machine.
func (c *Writer) FileOf(name, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c.File(name, info.Mode(), content)
	return c.err
}

// Close ends the archive.
func (c *Writer) Close() error {
	c.entry("TRAILER!!!", 0, nil)
	return c.err
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func (c *Writer) parents(name string) {
	if dir := path.Dir(clean(name)); dir != "." {
		c.Dir(dir)
	}
}

func (c *Writer) entry(name string, mode uint32, content []byte) {
	c.ino++
	c.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.ino, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	c.write(append([]byte(name), 0))
	c.pad()
	c.write(content)
	c.pad()
}

func (c *Writer) printf(format string, args ...any) { c.write(fmt.Appendf(nil, format, args...)) }

// pad fills up to a multiple of four.
func (c *Writer) pad() { c.write(make([]byte, (4-c.n%4)%4)) }

func (c *Writer) write(b []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.err = err
}
