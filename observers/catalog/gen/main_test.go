package main

import (
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// The committed catalogs are those that the folders make: an observer that is
// missing from them fails here.
func TestCatalogsAreCurrent(t *testing.T) {
	const observers = "../.."
	files, err := generate(os.DirFS(observers))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(observers, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what the folders say, run go generate in observers/catalog:\n%s", name, diff)
		}
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestGenerate(t *testing.T) {
	tree := fstest.MapFS{
		"beta/beta.go":             file("package beta\nvar Spec = 1"),
		"beta/node/x_linux.go":     file("package node\nfunc Open() {}"),
		"alpha/alpha.go":           file("package alpha\nvar (\n\ta = 1\n\tSpec, b = 2, 3\n)"),
		"alpha/node/x_linux.go":    file("package node\nfunc Open() {}"),
		"alpha/cluster/x.go":       file("package cluster\nfunc Open() {}"),
		"cluster/live.go":          file("package cluster"),
		"event/event.go":           file("package event"),
		"catalog/node/node.go":     file("package node"),
		"observers.go":             file("package observers"),
		"alpha/cluster/x_test.go":  file("not Go"),
		"alpha/node/testdata/x.go": file("not Go"),
	}
	files, err := generate(tree)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		file     string
		has, not []string
	}{
		{"catalog/node/entries_linux.go", []string{"{Spec: alpha.Spec, Open: alphanode.Open},\n\t{Spec: beta.Spec, Open: betanode.Open},\n}"}, []string{"cluster", "event"}},
		{"catalog/client/entries.go", []string{"{Spec: alpha.Spec, Open: alphacluster.Open},\n}"}, []string{"beta", "ebpf"}},
		{"catalog/specs.go", []string{"\talpha.Spec,\n\tbeta.Spec,\n}"}, []string{"/node", "/cluster"}},
	}
	if len(files) != len(tests) {
		t.Errorf("%d files were made, expected %d", len(files), len(tests))
	}
	for _, tt := range tests {
		text := string(files[tt.file])
		if nice, err := format.Source(files[tt.file]); err != nil || string(nice) != text || !strings.HasPrefix(text, "// Code generated ") {
			t.Errorf("%s is not a generated Go file: %v\n%s", tt.file, err, text)
		}
		for _, s := range tt.has {
			if !strings.Contains(text, s) {
				t.Errorf("%s lacks %q:\n%s", tt.file, s, text)
			}
		}
		for _, s := range tt.not {
			if strings.Contains(text, s+"\"") {
				t.Errorf("%s has %q:\n%s", tt.file, s, text)
			}
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	tests := map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"no Open":        {fstest.MapFS{"a/a.go": file("package a\nvar Spec = 1"), "a/node/x.go": file("package node\nfunc open() {}")}, "observers/a/node has no func Open"},
		"Open of a type": {fstest.MapFS{"a/a.go": file("package a\nvar Spec = 1"), "a/node/x.go": file("package node\ntype T int\nfunc (T) Open() {}")}, "observers/a/node has no func Open"},
		"Open in a test": {fstest.MapFS{"a/a.go": file("package a\nvar Spec = 1"), "a/cluster/x_test.go": file("package cluster\nfunc Open() {}")}, "observers/a/cluster has no func Open"},
		"no Spec":        {fstest.MapFS{"a/a.go": file("package a"), "a/node/x.go": file("package node\nfunc Open() {}")}, "observers/a has no var Spec"},
		"not Go":         {fstest.MapFS{"a/a.go": file("package a\nvar Spec = 1"), "a/node/x.go": file("func")}, "a/node/x.go:1:1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := generate(tt.tree); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the reason is %v, expected %q", err, tt.want)
			}
		})
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a/a.go": "package a\nvar Spec = 1", "a/node/x.go": "package node\nfunc Open() {}"} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "catalog/node/entries_linux.go"))
	if err != nil || !strings.Contains(string(b), "anode.Open") {
		t.Errorf("wrote %q, %v", b, err)
	}
	if err := run(nil); err == nil {
		t.Error("runs without an argument")
	}
	if err := run([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("runs on a folder that is not there")
	}
}
