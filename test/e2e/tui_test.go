//go:build live

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// screen is a terminal of tmux.
type screen struct {
	t      *testing.T
	socket string
}

func (s screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-L", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (s screen) await(parts ...string) string {
	s.t.Helper()
	picture := ""
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the screen:\n%s", picture)
		}
	}()
	eventually(s.t, fmt.Sprintf("%q on the screen", parts), func() bool {
		picture = s.tmux("capture-pane", "-p")
		for _, p := range parts {
			if !strings.Contains(picture, p) {
				return false
			}
		}
		return true
	})
	return picture
}

// The screen asks, tells the story of a leak, shows the evidence and leaves
// nothing behind.
func TestTUI(t *testing.T) {
	needs(t, "TAPIO_PLUGIN")
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("leaky", "48Mi", "leak", "--step=2Mi", "--every=400ms", "--until=120Mi"))
	status(t, c, ns, "leaky", "it is OOM-killed and runs again", func(s corev1.ContainerStatus) bool { return oomKilled(s) && isRunning(s) })

	s := screen{t, fmt.Sprintf("tapio-e2e-%d", os.Getpid())}
	s.tmux("new-session", "-d", "-x", "100", "-y", "30", "-e", "KUBECONFIG="+os.Getenv("KUBECONFIG"),
		os.Getenv("TAPIO_PLUGIN")+" tui -n "+ns+"; echo exit $?; sleep 600")
	t.Cleanup(func() { _ = exec.Command("tmux", "-L", s.socket, "kill-server").Run() })
	s.await("Explain which?", "pod/leaky")
	s.tmux("send-keys", "Enter")
	s.await("Look into the nodes?", "probing")
	if left := objects(t, c, time.Now().Add(time.Hour)); len(left) > 0 {
		t.Errorf("before the answer there is: %v", left)
	}
	s.tmux("send-keys", "y")
	s.await("OOM-killed", "48Mi", "nodes 1/1", "kernel killed", "DO 1")
	s.tmux("send-keys", "g")
	picture := s.await("Evidence", "Against it")
	t.Logf("\n%s", picture)
	s.tmux("resize-window", "-x", "60", "-y", "15")
	s.await("OOM-killed", "? help")
	s.tmux("send-keys", "q")
	s.await("exit 0")
	mustBeClean(t, c, 5*time.Second)
}
