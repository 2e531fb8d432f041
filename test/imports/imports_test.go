// Package imports holds the test of the import law: arrows between rooms go
// one way, so that the plugin builds everywhere and the probe stays small.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/yairfalse/tapio/"

// laws: packages below From never reach, directly or not, what Never names.
// A law without From is one of the file's own making.
var laws = []struct {
	from  []string
	goos  string
	never []string
	only  []string // of this module, when not empty
}{
	{from: []string{"cmd/kubectl-tapio"}, goos: "linux", never: []string{"github.com/cilium/ebpf", module + "probe/agent", module + "probe/host", module + "cmd/tapio-probe"}},
	{from: []string{"cmd/tapio-probe", "probe/agent", "probe/host"}, goos: "linux", never: []string{"k8s.io/client-go", "k8s.io/api", "github.com/spf13/cobra", "github.com/charmbracelet"}},
	{from: []string{"correlate", "tui"}, goos: "linux", never: []string{"k8s.io/client-go", "k8s.io/api", "github.com/cilium/ebpf"}},
	{from: []string{"correlate"}, goos: "linux", never: []string{"github.com/charmbracelet"}},
	{from: []string{"observers/event"}, goos: "linux", only: []string{"observers/event"}, never: []string{"k8s.io", "github.com/cilium", "golang.org/x"}},
	{from: []string{"correlate/rules"}, goos: "linux", never: []string{"k8s.io", module + "correlate/story", module + "probe/launch", module + "tui"}},
}

type pkg struct {
	ImportPath string
	Deps       []string
	Imports    []string
	Standard   bool
}

func list(t *testing.T, goos string, patterns ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Deps,Imports,Standard"}, patterns...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", patterns, err, stderr.String())
	}
	var ps []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

func within(path string, roots ...string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}

func TestLaw(t *testing.T) {
	for _, law := range laws {
		for _, from := range law.from {
			t.Run(from, func(t *testing.T) {
				ps := list(t, law.goos, "./"+from+"/...")
				if len(ps) == 0 {
					t.Fatalf("no packages below %s", from)
				}
				for _, p := range ps {
					for _, d := range p.Deps {
						if within(d, law.never...) {
							t.Errorf("%s reaches %s", p.ImportPath, d)
						}
						if len(law.only) > 0 && strings.HasPrefix(d, module) && !within(strings.TrimPrefix(d, module), law.only...) {
							t.Errorf("%s reaches %s", p.ImportPath, d)
						}
					}
				}
			})
		}
	}
}

// Rules never import rules, and a node observer's portable half never imports
// its Linux half.
func TestSiblings(t *testing.T) {
	for _, p := range list(t, "linux", "./correlate/rules/...", "./observers/...") {
		for _, d := range p.Imports {
			if within(p.ImportPath, module+"correlate/rules") && within(d, module+"correlate/rules") {
				t.Errorf("%s imports another family of rules, %s", p.ImportPath, d)
			}
			if !strings.HasSuffix(p.ImportPath, "/node") && strings.HasSuffix(d, "/node") && !strings.Contains(p.ImportPath, "/catalog") {
				t.Errorf("%s imports %s: portable code may not need Linux", p.ImportPath, d)
			}
		}
	}
}
