package agent

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

func TestCommandLine(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	tests := []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "usage: tapio-probe agent"},
		{[]string{"dance"}, 2, `there is no command "dance"`},
		{[]string{"agent"}, 2, `--listen "" is not an address and a port`},
		{[]string{"agent", "--listen", "7677", "--token-sha256", hash}, 2, "not an address and a port"},
		{[]string{"agent", "--listen", "0.0.0.0:0", "--token-sha256", hash}, 2, "not a loopback address"},
		{[]string{"agent", "--listen", ":0", "--token-sha256", hash}, 2, "not a loopback address"},
		{[]string{"agent", "--listen", "localhost:0", "--token-sha256", hash}, 2, "not a loopback address"},
		{[]string{"agent", "--listen", "127.0.0.1:0"}, 2, "--token-sha256 is not 64 hexadecimal digits"},
		{[]string{"agent", "--listen", "127.0.0.1:0", "--token-sha256", hash[2:]}, 2, "--token-sha256 is not 64 hexadecimal digits"},
		{[]string{"agent", "--listen", "127.0.0.1:0", "--token-sha256", "zz" + hash[2:]}, 2, "--token-sha256 is not 64 hexadecimal digits"},
		{[]string{"agent", "--listen", "127.0.0.1:0", "--token-sha256", hash, "--silence", "0s"}, 2, "must be longer than nothing"},
		{[]string{"agent", "--listen", "127.0.0.1:0", "--token-sha256", hash, "more"}, 2, "no arguments"},
		{[]string{"agent", "--nosuch"}, 2, "flag provided but not defined"},
		{[]string{"agent", "--listen", "127.0.0.1:99999", "--token-sha256", hash}, 1, "invalid port"},
		{[]string{"agent", "--listen", "127.0.0.1:0", "--token-sha256", hash, "--patience", "1ms"}, 1, "tapio-probe: the client is silent: no word from it for 1ms\n"},
		{[]string{"agent", "--listen", "[::1]:0", "--token-sha256", "zz"}, 2, "--token-sha256"},
		{[]string{"version"}, 0, "tapio-probe " + wire.Build() + " protocol 2\n"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(t.Context(), tt.args, &stdout, &stderr, config().Open)
			if code != tt.code || !strings.Contains(stdout.String()+stderr.String(), tt.says) {
				t.Errorf("exit %d, output %q, errors %q; want exit %d and %q", code, &stdout, &stderr, tt.code, tt.says)
			}
		})
	}
}

// SIGTERM arrives as the end of the context.
func TestAgentEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	args := []string{"agent", "--listen", "127.0.0.1:0", "--token-sha256", strings.Repeat("ab", 32)}
	if code := Main(ctx, args, &stderr, &stderr, config().Open); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit %d, %s", code, &stderr)
	}
}

func TestSelftest(t *testing.T) {
	partly := &gapped{gaps: func() []*observers.Unsupported {
		return []*observers.Unsupported{{Need: observers.Need{Type: observers.Feature, Name: "/dev/kmsg"}, Why: "not permitted"}}
	}}
	refused := Entry{Spec: observers.Spec{Name: "refused"}, Open: func() (observers.Observer, error) {
		return nil, &observers.Unsupported{Need: hook, Why: "no BTF"}
	}}
	tests := []struct {
		name    string
		entries []Entry
		want    []string
		code    int
	}{
		{"all sorts", []Entry{
			entry("fine", &fake{}),
			entry("partly", partly),
			refused,
			entry("dies", &fake{run: func(context.Context, func(event.Event)) error { panic("boom") }}),
			entry("empty", nil),
		}, []string{
			"fine: ok",
			"partly: ok",
			"partly: gap: feature /dev/kmsg: not permitted",
			"refused: gap: hook tp_btf/mark_victim: no BTF",
			"dies: gap: it panicked: boom",
			"empty: gap: it opened without an observer",
		}, 0},
		{"nothing works", []Entry{refused}, []string{"refused: gap: hook tp_btf/mark_victim: no BTF"}, 1},
		{"nothing there", nil, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(t.Context(), []string{"selftest"}, &stdout, &stderr, config(tt.entries...).Open)
			want := "node: ok, kernel 6.1.0 amd64, build " + wire.Build() + "\n" + strings.Join(append(tt.want, ""), "\n")
			if code != tt.code || stdout.String() != want || stderr.Len() > 0 {
				t.Errorf("exit %d, output\n%swant exit %d and\n%s(errors %q)", code, &stdout, tt.code, want, &stderr)
			}
		})
	}
}

func TestSelftestWithoutNode(t *testing.T) {
	var stdout bytes.Buffer
	open := func(wire.Start) (*Machine, error) { return nil, errors.New("no /proc") }
	if code := Main(t.Context(), []string{"selftest"}, &stdout, &stdout, open); code != 1 || stdout.String() != "node: cannot be observed: no /proc\n" {
		t.Errorf("exit %d, %q", code, &stdout)
	}
}

func TestProcessCost(t *testing.T) {
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; { // use some CPU
	}
	cpu, rss := ProcessCost()
	if cpu <= 0 || rss < 1<<20 || rss > 4<<30 {
		t.Errorf("CPU time %v, %d resident bytes", cpu, rss)
	}
}

func TestResidentPages(t *testing.T) {
	for statm, want := range map[string]uint64{"100 25 3 1 0 9 0\n": 25, "": 0, "7": 0, "1 x": 0, "1 -2": 0} {
		if got := residentPages([]byte(statm)); got != want {
			t.Errorf("%q: %d pages, want %d", statm, got, want)
		}
	}
}

// The node of this machine has clocks, names and observers.
func TestOpenNode(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("root is needed under CI")
		}
		t.Skip("needs root")
	}
	m, err := OpenNode(wire.Start{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	wall, boot := m.Clock()
	if m.Node != "n1" || m.BootID == "" || m.Kernel == "" || m.Arch == "" || boot <= 0 || wall.IsZero() || len(m.Observers) == 0 {
		t.Errorf("node %+v at %v, %v", m, wall, boot)
	}
}
