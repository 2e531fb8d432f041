//go:build linux

package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/pki"
	"github.com/yairfalse/tapio/test/lab/internal/state"
)

func authority(t *testing.T) *pki.Authority {
	t.Helper()
	ca, err := pki.NewAuthority("lab", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestCredentials(t *testing.T) {
	d := layout.Dir(t.TempDir())
	nodes := layout.Nodes(2)
	if err := writeCredentials(d, nodes, authority(t)); err != nil {
		t.Fatal(err)
	}
	// Every file that a command line names is there.
	lines := [][]string{etcd("lab", d), apiServer("lab", d), controllerManager("lab", d), scheduler("lab", d)}
	for _, args := range lines {
		for _, a := range args {
			_, file, _ := strings.Cut(a, "=")
			if !strings.HasPrefix(file, string(d)) || strings.HasPrefix(a, "--data-dir") {
				continue
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
	}
	for _, f := range []string{d.PKI("ca.key"), d.Kubeconfig("admin"), d.Kubeconfig("node-n1"), d.Kubeconfig("node-n2"), d.Kubeconfig("proxy")} {
		st, err := os.Stat(f)
		if err != nil {
			t.Error(err)
		} else if st.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v", f, st.Mode())
		}
	}
}

func TestOnlyAdminsAreMasters(t *testing.T) {
	for _, c := range credentials(layout.Nodes(2)) {
		master := slices.Contains(c.subject.Organizations, "system:masters")
		if want := c.file == "admin" || c.file == "apiserver-kubelet"; master != want {
			t.Errorf("%s: master %t", c.file, master)
		}
	}
}

func TestWithoutProxy(t *testing.T) {
	got := WithoutProxy([]string{"A=1", "HTTPS_PROXY=x", "http_proxy=y", "No_Proxy=z", "KUBECONFIG=k", "B"})
	if want := []string{"A=1", "B", "NO_PROXY=*", "no_proxy=*"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDiagnose(t *testing.T) {
	running := state.Daemon{Name: "etcd"}
	ended := state.Daemon{Name: "n1-kubelet", Exit: "signal: killed", Log: "/x.log"}
	for _, tc := range []struct {
		name  string
		st    state.Status
		alive bool
		want  string // part of the sentence; "" for none
	}{
		{"well", state.Status{Phase: state.Up, Daemons: []state.Daemon{running}}, true, ""},
		{"supervisor gone", state.Status{Phase: state.Up}, false, "supervisor is gone"},
		{"starting", state.Status{Phase: state.Starting}, true, "is starting"},
		{"failed", state.Status{Phase: state.Failed, Error: "why"}, true, "failed: why"},
		{"daemon ended", state.Status{Phase: state.Up, Daemons: []state.Daemon{running, ended}}, true, "n1-kubelet (signal: killed, log /x.log)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := diagnose(tc.st, tc.alive)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestEnterArgs(t *testing.T) {
	got := EnterArgs("/bin/labctl", "lab/x", 3, []string{"/bin/etcd", "--flag"})
	if want := []string{"/bin/labctl", "internal-exec", "lab/x", "3", "/bin/etcd", "--flag"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestNamespacesOfOneself(t *testing.T) {
	fs, err := Namespaces(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(fs)
	if len(fs) != 3 || filepath.Base(fs[2].Name()) != "mnt" {
		t.Errorf("got %v", fs)
	}
	if _, err := Namespaces(1 << 30); err == nil {
		t.Error("a process that does not exist has namespaces")
	}
}

func TestRemove(t *testing.T) {
	make := func(t *testing.T, names ...string) layout.Dir {
		d := layout.Dir(filepath.Join(t.TempDir(), "state"))
		for _, n := range names {
			if err := os.MkdirAll(d.Path(n), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	t.Run("all", func(t *testing.T) {
		d := make(t, "log", "etcd/member", "nodes/n1", ".new-1")
		if err := remove(d, false); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(string(d)); !os.IsNotExist(err) {
			t.Errorf("still there: %v", err)
		}
	})
	t.Run("keep logs", func(t *testing.T) {
		d := make(t, "log", "etcd/member")
		if err := remove(d, true); err != nil {
			t.Fatal(err)
		}
		if es, err := os.ReadDir(string(d)); err != nil || len(es) != 1 || es[0].Name() != "log" {
			t.Errorf("left: %v, %v", es, err)
		}
	})
	t.Run("not the lab's", func(t *testing.T) {
		d := make(t, "log", "photos")
		if err := remove(d, false); err == nil || !strings.Contains(err.Error(), "photos") {
			t.Fatalf("error is %v", err)
		}
		if _, err := os.Stat(d.Path("log")); err != nil {
			t.Error("something was removed")
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if err := remove(layout.Dir(filepath.Join(t.TempDir(), "none")), false); err != nil {
			t.Error(err)
		}
	})
}
