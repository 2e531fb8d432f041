package health

import "testing"

func TestReadFailure(t *testing.T) {
	tests := map[string]Report{
		`Liveness probe failed: Get "http://10.0.0.1:8080/x": dial tcp 10.0.0.1:8080: connect: connection refused`:                                                                                         {Liveness, Refused, 8080, 0},
		`Readiness probe failed: HTTP probe failed with statuscode: 503`:                                                                                                                                   {Readiness, Status, 0, 503},
		`Startup probe failed: dial tcp 10.0.0.1:5432: i/o timeout`:                                                                                                                                        {StartupKind, Timeouts, 5432, 0},
		`Readiness probe failed: Get "http://10.0.0.1:80/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`:                                                                    {Readiness, Timeouts, 80, 0},
		`Liveness probe failed: Get "http://10.0.0.1:80/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00"`:                                                                 {Liveness, Malformed, 80, 0},
		`Readiness probe failed: Get "https://10.0.0.1:80/": http: server gave HTTP response to HTTPS client`:                                                                                              {Readiness, Plaintext, 80, 0},
		`Readiness probe failed: timeout: failed to connect service "10.0.0.1:8081" within 1s: context deadline exceeded`:                                                                                  {Readiness, Timeouts, 8081, 0},
		`Readiness probe failed: timeout: failed to connect service "10.0.0.1:8081" within 1s: context deadline exceeded: connection error: desc = "error reading server preface: http2: frame too large"`: {Readiness, Malformed, 8081, 0},
		`Readiness probe failed: service unhealthy (responded with "NOT_SERVING")`:                                                                                                                         {Readiness, Unhealthy, 0, 0},
		`Liveness probe failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): rpc error: code = Unimplemented`:                                                   {Liveness, Unimplemented, 0, 0},
		`Liveness probe failed: Get "http://[fd00::1]:8080/": EOF`:                                                                                                                                         {Liveness, Reset, 8080, 0},
		`Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory`:                                                                                                                 {Liveness, Other, 0, 0},
		`Liveness probe errored and resulted in unknown state: couldn't find port: web`:                                                                                                                    {Liveness, UnnamedPort, 0, 0},
		`Liveness probe failed: command "sleep 9" timed out`:                                                                                                                                               {Liveness, Timeouts, 0, 0},
		`Liveness probe failed: 12:30:45 no answer`:                                                                                                                                                        {Liveness, Other, 0, 0},
		`Liveness probe failed: HTTP probe failed with statuscode: 99999999`:                                                                                                                               {Liveness, Other, 0, 0},
	}
	for message, want := range tests {
		if got, ok := ReadFailure(message); !ok || got != want {
			t.Errorf("%s\ngot  %+v %t\nwant %+v", message, got, ok, want)
		}
	}
	for _, other := range []string{"", "Readiness probe warning: redirect", "Probe failed: x", "Back-off restarting failed container", "Some probe failed: x"} {
		if got, ok := ReadFailure(other); ok {
			t.Errorf("%q is no failure: %+v", other, got)
		}
	}
}

func TestReadKill(t *testing.T) {
	if which, c, ok := ReadKill("Container app failed liveness probe, will be restarted"); !ok || which != Liveness || c != "app" {
		t.Errorf("%s %s %t", which, c, ok)
	}
	if which, _, ok := ReadKill("Container app failed startup probe, will be restarted"); !ok || which != StartupKind {
		t.Errorf("%s %t", which, ok)
	}
	for _, other := range []string{"", "Stopping container app", "Container app failed", "Container app definition changed, will be restarted", "Container app failed postStart probe"} {
		if _, _, ok := ReadKill(other); ok {
			t.Errorf("%q is no kill by a probe", other)
		}
	}
}

func FuzzReadFailure(f *testing.F) {
	f.Add(`Liveness probe failed: Get "http://10.0.0.1:8080/x": dial tcp [::1]:8080: connect: connection refused`)
	f.Add("Startup probe errored: :99999999999:")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := ReadFailure(s)
		if ok && (r.What == "" || !isWhich(r.Which) || r.Port < 0 || r.Port > 65535) || !ok && r != (Report{}) {
			t.Errorf("%q: %+v %t", s, r, ok)
		}
		ReadKill(s)
	})
}
