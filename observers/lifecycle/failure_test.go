package lifecycle

import (
	"strings"
	"testing"
)

func TestFailureOf(t *testing.T) {
	const runc = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
	tests := []struct{ message, what, target string }{
		{runc + `error during container init: exec: "/nope": stat /nope: no such file or directory`, FailNotFound, "/nope"},
		{runc + `exec: "serve": executable file not found in $PATH: unknown`, FailNotFound, "serve"},
		{runc + `exec: "/etc/passwd": permission denied: unknown`, FailDenied, "/etc/passwd"},
		{runc + `exec: "/etc": is a directory: unknown`, FailDenied, "/etc"},
		{runc + "exec /app: exec format error", FailFormat, "/app"},
		{"failed to create containerd task: failed to create shim task: context canceled: container init was OOM-killed (memory limit too low?)", FailOOM, ""},
		{runc + `error during container init: error mounting "/var/lib/kubelet/pods/x/volume-subpaths/c/app/0" to rootfs at "/etc/app.conf": mount src=x, dst=/etc/app.conf: not a directory: Are you trying to mount a directory onto a file (or vice-versa)?`, FailMount, "/etc/app.conf"},
		{runc + `chdir to cwd ("/srv") set in config.json failed: permission denied`, FailWorkdir, "/srv"},
		{runc + "unable to find user app: no matching entries in passwd file", FailUser, "app"},
		{`container has runAsNonRoot and image will run as root (pod: "x", container: app)`, FailRootRefused, ""},
		{`container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root`, FailRootRefused, ""},
		{"exec user process caused: no such file or directory", FailNotFound, ""},
		{`container's runAsUser breaks non-root policy (pod: "x", container: app)`, FailRootRefused, ""},
		{"back-off 5m0s restarting failed container=app pod=x", "", ""},
		{"no such file or directory", "", ""},
		{"failed to generate container spec: no command specified", FailNoCommand, ""},
		{runc + "exec: \"/b\x1b[31m\": no such file or directory", FailNotFound, ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		what, target := FailureOf(tt.message)
		if what != tt.what || target != tt.target {
			t.Errorf("%q: %q %q, want %q %q", tt.message, what, target, tt.what, tt.target)
		}
	}
}

func FuzzFailureOf(f *testing.F) {
	f.Add(`exec: "/nope": stat /nope: no such file or directory`)
	f.Add(`chdir to cwd ("`)
	f.Add("exec \x00 permission denied")
	f.Fuzz(func(t *testing.T, s string) {
		what, target := FailureOf(s)
		if what == "" && target != "" || len(target) > maxTarget {
			t.Errorf("%q: %q %q", s, what, target)
		}
		if strings.ContainsAny(target, "\n\x1b\x00") {
			t.Errorf("%q lets %q through", s, target)
		}
	})
}
