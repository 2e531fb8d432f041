//go:build linux

package supervise

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInit runs this test's own program as the first process of a pid
// namespace, where it starts a shell that leaves an orphan behind.
func TestInit(t *testing.T) {
	if os.Getenv("LAB_TEST_INIT") != "" {
		err := Init("/bin/sh", []string{"sh", "-c", os.Getenv("LAB_TEST_INIT")}, os.Environ())
		t.Fatal(err) // it does not return otherwise
	}
	if os.Geteuid() != 0 {
		t.Skip("only root makes pid namespaces")
	}
	for name, tt := range map[string]struct {
		script string
		code   int
		prints string
	}{
		"ends as the program does": {"exit 7", 7, ""},
		"killed":                   {"kill -KILL $$", 137, ""},
		"is not the first process": {"echo $$; exit 0", 0, "\n"},
		"reaps orphans":            {"(sh -c 'exit 3' &); sleep 0.2; ls /proc >/dev/null; exit 4", 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestInit$")
			cmd.Env = append(os.Environ(), "LAB_TEST_INIT="+tt.script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
			out, err := cmd.Output()
			code := 0
			if failed, ok := errors.AsType[*exec.ExitError](err); ok {
				code = failed.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tt.code || tt.prints != "" && (!strings.HasSuffix(string(out), tt.prints) || strings.TrimSpace(string(out)) == "1") {
				t.Errorf("code %d, printed %q; want %d", code, out, tt.code)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	for ws, want := range map[syscall.WaitStatus]int{0: 0, 0x700: 7, 9: 137, 15: 143} {
		if got := exitCode(ws); got != want {
			t.Errorf("%#x: %d, want %d", int(ws), got, want)
		}
	}
}
