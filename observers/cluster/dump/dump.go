// Package dump reads files of Kubernetes objects, as "kubectl cluster-info dump
// --output-directory" and "kubectl get -o yaml" or "-o json" write them, with
// the logs beside them.
package dump

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yairfalse/tapio/observers/cluster"
)

// What one input may hold. Everything beyond is named as left out.
const (
	maxFile    = 256 << 20 // bytes of one file, unpacked
	maxBytes   = 1 << 30   // of all
	maxFiles   = 50_000
	maxDepth   = 16 // folders
	maxObjects = 300_000
	maxTold    = 50 // problems
)

// Input is what the files of a path hold.
type Input struct {
	// Tape is the path of a tape among them, if there is one.
	Tape string
	// Newest is the newest time the objects tell of something that happened.
	Newest time.Time
	// Problems are what could not be read, one sentence each.
	Problems []string
	// Files and Objects count what was used.
	Files, Objects int
	// Passed counts objects of kinds that nothing here reads, by kind.
	Passed map[string]int
	// Foreign counts files that hold no objects and are not logs.
	Foreign int

	whole, parts []runtime.Object
	empty        []cluster.Listed
	logs         *shelf
}

// Source makes a source of the objects. A zero now means Newest.
func (in *Input) Source(now time.Time) cluster.Source {
	if now.IsZero() {
		now = in.Newest
	}
	return cluster.FromInput(cluster.Input{
		Objects: in.whole, Parts: in.parts, Empty: in.empty, Own: !slices.ContainsFunc(in.whole, ofSystem), Logs: in.logs.open, Now: now,
	})
}

// ofSystem tells whether an object is a pod of kube-system. Every cluster has
// some, so that an input without them does not hold the pods of the whole
// cluster.
func ofSystem(obj runtime.Object) bool {
	p, ok := obj.(*corev1.Pod)
	return ok && p.Namespace == metav1.NamespaceSystem
}

// String says what was used and what was passed over.
func (in *Input) String() string {
	s := fmt.Sprintf("%d objects from %d files", in.Objects, in.Files)
	if in.Objects == 1 && in.Files == 1 {
		s = "1 object"
	}
	if len(in.Passed) > 0 {
		n := 0
		for _, of := range in.Passed {
			n += of
		}
		kinds := slices.SortedFunc(maps.Keys(in.Passed), func(a, b string) int {
			return cmp.Or(in.Passed[b]-in.Passed[a], strings.Compare(a, b))
		})
		more := ""
		if len(kinds) > 5 {
			kinds, more = kinds[:5], " and others"
		}
		s += fmt.Sprintf("; passed over %d objects of kinds that are not read (%s%s)", n, strings.Join(kinds, ", "), more)
	}
	if in.Foreign > 0 {
		s += fmt.Sprintf("; %d files hold no objects", in.Foreign)
	}
	return s
}

// Read reads a file, or a directory with all folders in it. Times after latest
// are no times of the past and count for nothing. The error is for a path that
// cannot be read at all; a file in it that cannot be is a problem of the Input.
func Read(path string, latest time.Time) (*Input, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, plain(path, err)
	}
	r := &reading{
		Input:  Input{Passed: map[string]int{}, logs: newShelf()},
		root:   path,
		latest: latest,
	}
	switch {
	case info.IsDir():
		err = r.folder(path)
	case info.Mode().IsRegular():
		r.file(path, info.Size(), true)
	default:
		err = fmt.Errorf("%s is neither a file nor a directory", path)
	}
	if err != nil {
		return nil, err
	}
	r.Newest = cluster.Latest(r.times)
	r.logs.learn(append(slices.Clone(r.whole), r.parts...))
	if r.silent > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d more files or objects cannot be read", r.silent))
	}
	return &r.Input, nil
}

// plain is the error of a path in one sentence.
func plain(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// reading is an Input that is being filled.
type reading struct {
	Input
	root   string
	latest time.Time
	times  []time.Time
	bytes  int64 // unpacked so far
	seen   int   // files
	silent int   // problems that are counted only
	full   bool  // a bound was reached and told
}

// problem notes what could not be read.
func (r *reading) problem(path, format string, args ...any) {
	if len(r.Problems) >= maxTold {
		r.silent++
		return
	}
	if rel, err := filepath.Rel(r.root, path); err == nil && rel != "." {
		path = rel
	} else {
		path = filepath.Base(path)
	}
	r.Problems = append(r.Problems, path+" "+fmt.Sprintf(format, args...))
}

// enough tells once that a bound was reached.
func (r *reading) enough(why string) {
	if !r.full {
		r.full = true
		r.Problems = append(r.Problems, why)
	}
}

// folder walks a directory in the order of names. Links to directories are not
// followed, so that no loop of them has no end.
func (r *reading) folder(root string) error {
	resolved, err := filepath.EvalSymlinks(root)
	if err != nil {
		return plain(root, err)
	}
	r.root = resolved
	return filepath.WalkDir(resolved, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == resolved:
			return plain(root, err)
		case err != nil:
			r.problem(path, "cannot be read: %v", reason(err))
			return nil
		case r.full:
			return filepath.SkipAll
		case d.IsDir():
			if strings.Count(strings.TrimPrefix(path, resolved), string(filepath.Separator)) > maxDepth {
				r.problem(path, "is nested more than %d folders deep and is left out", maxDepth)
				return filepath.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path) // what a link points to
		if err != nil {
			r.problem(path, "cannot be read: %v", reason(err))
			return nil
		}
		if !info.Mode().IsRegular() {
			r.Foreign++ // a link to a directory, a pipe, a device
			return nil
		}
		if r.seen++; r.seen > maxFiles {
			r.enough(fmt.Sprintf("only the first %d files are read, there are more", maxFiles))
			return filepath.SkipAll
		}
		if !r.logs.shelve(path) {
			r.file(path, info.Size(), false)
		}
		return nil
	})
}

// reason is an error without the path that it repeats.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// file reads one file of objects, or notes that it is a tape.
func (r *reading) file(path string, size int64, asked bool) {
	kind, err := sniff(path, asked)
	switch {
	case err != nil:
		r.problem(path, "cannot be read: %v", reason(err))
		return
	case kind == isTape:
		if r.Tape == "" {
			r.Tape = path
		} else {
			r.problem(path, "is a second tape and is left out")
		}
		return
	case kind == isForeign:
		r.Foreign++
		return
	case kind == isJunk:
		r.problem(path, "is binary, not JSON or YAML of Kubernetes objects")
		return
	}
	data, err := load(path, size, maxFile)
	if err != nil {
		r.problem(path, "cannot be read: %v", reason(err))
		return
	}
	if r.bytes += int64(len(data)); r.bytes > maxBytes {
		r.enough(fmt.Sprintf("only the first %d MiB are read, there is more", maxBytes>>20))
		return
	}
	before := r.Objects + len(r.empty)
	r.parse(path, data)
	if r.Objects+len(r.empty) > before {
		r.Files++
	}
}
