package cluster

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/observers/logs"
)

func TestRecogniseOwn(t *testing.T) {
	tests := []struct{ line, what, target string }{
		{`Exception in thread "main" java.lang.OutOfMemoryError: Java heap space`, logs.Heap, ""},
		{"FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory", logs.Heap, ""},
		{"fatal error: runtime: out of memory", logs.Heap, ""},
		{"runtime: out of memory: cannot allocate 4194304-byte block (200900608 in use)", logs.Heap, ""},
		{"fatal error: out of memory", logs.Heap, ""},
		{"MemoryError", logs.Heap, ""},
		{"handled a MemoryError and went on", "", ""},
		{"memory allocation of 1073741824 bytes failed", logs.Heap, ""},
		{"terminate called after throwing an instance of 'std::bad_alloc'", logs.Heap, ""},
		{"java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory", logs.Threads, ""},
		{"sh: can't fork: Resource temporarily unavailable", "", ""},
		{"panic: runtime error: invalid memory address or nil pointer dereference", logs.Panic, ""},
		{"2025/03/01 12:00:00 panic: no", logs.Panic, ""},
		{"do not panic: all is well", "", ""},
		{"Traceback (most recent call last):", logs.Panic, ""},
		{"thread 'main' panicked at src/main.rs:2:5:", logs.Panic, ""},
		{"flag provided but not defined: -verbos", logs.Usage, "-verbos"},
		{"error: unknown flag: --prot=1", logs.Usage, "--prot"},
		{"Usage: server [options]", logs.Usage, ""},
		{"CPU usage: 3%", "", ""},
		{"open /etc/app/config.yaml: no such file or directory", logs.NoFile, "/etc/app/config.yaml"},
		{"Error: ENOENT: no such file or directory, open '/etc/app.json'", logs.NoFile, "/etc/app.json"},
		{"FileNotFoundError: [Errno 2] No such file or directory: '/srv/x.ini'", logs.NoFile, "/srv/x.ini"},
		{"level=info msg=\"/etc/extra.yaml: no such file or directory, using defaults\"", "", ""},
		{"no such file or directory", "", ""},
		{"fatal: environment variable DATABASE_URL is not set", logs.NoVariable, "DATABASE_URL"},
		{"KeyError: 'API_TOKEN'", logs.NoVariable, "API_TOKEN"},
		{"required key APP_PORT missing value", logs.NoVariable, "APP_PORT"},
		{"a name must be set", "", ""},
		{"Error: Database is uninitialized and superuser password is not specified.", logs.NoVariable, ""},
		{"ModuleNotFoundError: No module named 'flask'", logs.NoModule, "flask"},
		{"Error: Cannot find module '/app/index.js'", logs.NoModule, "/app/index.js"},
		{"/bin/sh: 1: serve: not found", logs.NoCommand, "serve"},
		{"bash: serve: command not found", logs.NoCommand, "serve"},
		{"GET /x: not found", "", ""},
		{"./app: error while loading shared libraries: libssl.so.1.1: cannot open shared object file: No such file or directory", logs.Library, "libssl.so.1.1"},
		{"exec /usr/bin/app: exec format error", logs.Format, "/usr/bin/app"},
		{"standard_init_linux.go:228: exec user process caused: exec format error", logs.Format, ""},
		{"mkdir /data/db: permission denied", logs.DeniedFile, "/data/db"},
		{"# Fatal error: can't open the RDB file dump.rdb for reading: Permission denied", logs.DeniedFile, "dump.rdb"},
		{"PermissionError: [Errno 13] Permission denied: '/var/lib/x'", logs.DeniedFile, "/var/lib/x"},
		{"permission denied for table orders", "", ""},
		{"bind: Operation not permitted", logs.NotPermitted, ""},
		{"open /tmp/x: read-only file system", logs.ReadOnlyFile, "/tmp/x"},
		{"write /data/wal: no space left on device", logs.NoSpace, "/data/wal"},
		{"listen tcp :8080: bind: address already in use", logs.Port, "8080"},
		{"Error: listen EADDRINUSE: address already in use 0.0.0.0:3000", logs.Port, "3000"},
		{"Web server failed to start. Port 8081: Address already in use", logs.Port, "8081"},
		{"accept tcp [::]:80: accept4: too many open files", logs.FilesLimit, ""},
		{"nginx: [emerg] unknown directive \"serverr\" in /etc/nginx/nginx.conf:3", logs.BadConfig, ""},
		{"error loading config file \"/etc/app.yaml\": yaml: line 3: mapping values are not allowed", logs.BadConfig, "/etc/app.yaml"},
		{"app: main.c:3: main: Assertion `p' failed.", logs.Assertion, ""},
		{"double free or corruption (top)", logs.Assertion, ""},
		{"E0301 12:00:00 leaderelection.go:330] leaderelection lost", logs.LeaseLost, ""},
		{`pods is forbidden: User "system:serviceaccount:shop:api" cannot list resource "pods" in API group "" in the namespace "shop"`, logs.Forbidden, "list pods"},
		{`FATAL:  password authentication failed for user "app"`, logs.LoginRefused, ""},
		{"ERROR 1045 (28000): Access denied for user 'root'@'10.0.0.7' (using password: YES)", logs.LoginRefused, ""},
		{"FATAL:  sorry, too many clients already", logs.TooMany, ""},
		{"ERROR:  cannot execute INSERT in a read-only transaction", logs.ReadOnlyPeer, ""},
		{"google: could not find default credentials", logs.CloudIdentity, ""},
		{"tls: failed to verify certificate: x509: certificate has expired or is not yet valid", logs.Untrusted, ""},
		{"all is well", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		c, ok := RecogniseOwn(tt.line)
		if ok != (tt.what != "") || c.What != tt.what || c.Target != tt.target || ok && !c.Own {
			t.Errorf("%q: %q %q, want %q %q", tt.line, c.What, c.Target, tt.what, tt.target)
		}
	}
}

// What names a peer is a complaint about the peer, not trouble of its own.
func TestRecognisePeersAnswers(t *testing.T) {
	tests := []struct{ line, what, target string }{
		{"failed to connect to `host=db user=app database=app`: server error (FATAL: password authentication failed for user \"app\" (SQLSTATE 28P01))", "", ""},
		{`psql: error: connection to server at "db" (10.96.0.9), port 5432 failed: FATAL:  password authentication failed for user "app"`, logs.LoginRefused, "db:5432"},
		{`connection to server at "db" (10.96.0.9), port 5432 failed: FATAL:  sorry, too many clients already`, logs.TooMany, "db:5432"},
		{`Get "https://api:8443/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, logs.Untrusted, "api:8443"},
	}
	for _, tt := range tests {
		c, _ := Recognise(tt.line)
		if c.What != tt.what || c.Target != tt.target || c.Own {
			t.Errorf("%q: %+v", tt.line, c)
		}
	}
}

func FuzzRecogniseOwn(f *testing.F) {
	for _, s := range []string{"open /a: no such file or directory", "listen tcp :80: bind: address already in use", "sh: x: not found", "KeyError: 'A_B'", "panic: x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := RecogniseOwn(s)
		if ok != (c.What != "") || len(c.Target) > maxName {
			t.Errorf("%q: %+v", s, c)
		}
		if strings.ContainsAny(c.Target, " \t\n\x1b\x00\"'=") {
			t.Errorf("%q lets %q through", s, c.Target)
		}
	})
}
