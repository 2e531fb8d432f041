//go:build linux

package node

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample() Config { return Config{Node: 2, Dir: "/state", CNI: "/cni/bin"} }

func TestFiles(t *testing.T) {
	files, err := sample().Files()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 5 {
		t.Errorf("%d files", len(files))
	}
	for path, got := range files {
		rel, err := filepath.Rel("/state/nodes/n2", path)
		if err != nil || strings.HasPrefix(rel, "..") {
			t.Errorf("%s is outside the node's directory", path)
		}
		golden := filepath.Join("testdata", strings.ReplaceAll(rel, "/", "_"))
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs from %s (-update rewrites it); got\n%s", path, golden, got)
		}
	}
}

func TestNodesDiffer(t *testing.T) {
	seen := map[string]layout.Node{}
	for _, n := range layout.Nodes(3) {
		c := sample()
		c.Node = n
		files, err := c.Files()
		if err != nil {
			t.Fatal(err)
		}
		for path, b := range files {
			if !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".conflist") {
				continue
			}
			if other, ok := seen[string(b)]; ok {
				t.Errorf("%s is the same for %s and %s", path, n.Name(), other.Name())
			}
			seen[string(b)] = n
		}
	}
}

func TestConflistIsJSON(t *testing.T) {
	b, err := sample().conflist()
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Plugins []struct {
			Type   string
			IPMasq *bool
		}
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Plugins) != 2 || list.Plugins[0].Type != "bridge" || *list.Plugins[0].IPMasq {
		t.Errorf("plugins are %+v", list.Plugins)
	}
}

func TestWrite(t *testing.T) {
	c := sample()
	c.Dir = layout.Dir(t.TempDir())
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{c.Containerd("/bin/containerd"), c.Kubelet("/bin/lab"), c.Proxy("/bin/lab")} {
		for _, a := range args[1:] {
			_, file, ok := strings.Cut(a, "=")
			if !ok {
				file = a
			}
			if !strings.HasPrefix(file, string(c.Dir)) || strings.Contains(file, "kubeconfig") {
				continue
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%v names a file that is not written: %v", args, err)
			}
		}
	}
}
