package image

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		want Reference
		ok   bool
	}{
		{"redis", Reference{"docker.io", "library/redis", "latest"}, true},
		{"redis:7", Reference{"docker.io", "library/redis", "7"}, true},
		{"team/api:1.2", Reference{"docker.io", "team/api", "1.2"}, true},
		{"index.docker.io/team/api", Reference{"docker.io", "team/api", "latest"}, true},
		{"ghcr.io/team/api:1", Reference{"ghcr.io", "team/api", "1"}, true},
		{"localhost:5000/api:1", Reference{"localhost:5000", "api", "1"}, true},
		{"localhost/api", Reference{"localhost", "api", "latest"}, true},
		{"reg.local:5000/a/b/c@sha256:abc", Reference{"reg.local:5000", "a/b/c", "sha256:abc"}, true},
		{"reg.local/a:1@sha256:abc", Reference{"reg.local", "a", "sha256:abc"}, true},
		{"", Reference{}, false},
		{"two words", Reference{}, false},
		{"ghcr.io/", Reference{"ghcr.io", "", "latest"}, false},
	}
	for _, tt := range tests {
		got, ok := Parse(tt.name)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: %+v %t, want %+v %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	a, _ := Parse("redis:7")
	b, _ := Parse("docker.io/library/redis@sha256:0")
	if !a.Same(b) {
		t.Error("the short and the long name are one repository")
	}
}

func TestClassOf(t *testing.T) {
	const pull = `failed to pull and unpack image "reg.local/team/api:1": failed to resolve reference "reg.local/team/api:1": `
	tests := []struct{ reason, message, want string }{
		{"ErrImagePull", "rpc error: code = NotFound desc = " + pull + "reg.local/team/api:1: not found", NotFound},
		{"ErrImagePull", "Error response from daemon: manifest for api:9 not found: manifest unknown: manifest unknown", NotFound},
		{"ErrImagePull", pull + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", Ambiguous},
		{"ErrImagePull", "repository team/api not found: does not exist or no pull access", Ambiguous},
		{"ErrImagePull", pull + "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://reg.local/token: 403 Forbidden", Denied},
		{"ErrImagePull", pull + "unexpected status from HEAD request to https://reg.local/v2/team/api/manifests/1: 401 Unauthorized", Denied},
		{"ErrImagePull", pull + "unexpected status from HEAD request to https://reg.local/v2/team/api/manifests/1: 429 Too Many Requests", RateLimited},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": dial tcp: lookup reg.local on 10.0.0.2:53: no such host`, DNS},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": dial tcp: lookup reg.local on 10.0.0.2:53: read udp 10.0.0.3:4->10.0.0.2:53: i/o timeout`, DNS},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": dial tcp: lookup reg.local on [::1]:53: read udp [::1]:4->[::1]:53: read: connection refused`, DNS},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": dial tcp 10.0.0.9:443: i/o timeout`, Unreachable},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": dial tcp 10.0.0.9:443: connect: connection refused`, Unreachable},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, Certificate},
		{"ErrImagePull", pull + `failed to do request: Head "https://reg.local/v2/": http: server gave HTTP response to HTTPS client`, Certificate},
		{"ErrImagePull", pull + "unexpected status from HEAD request to https://reg.local/v2/: 503 Service Unavailable", ServerError},
		{"ErrImagePull", `failed to pull and unpack image "reg.local/team/api:1": no match for platform in manifest: not found`, Platform},
		{"ErrImagePull", "failed to extract layer sha256:0: write /usr/lib/x: no space left on device", NoSpace},
		{"InvalidImageName", `Failed to apply default image tag "A:B:C": couldn't parse image name`, BadName},
		{"ErrImageNeverPull", `Container image "api:1" is not present with pull policy of Never`, Never},
		{"ImagePullBackOff", `Back-off pulling image "reg.local/team/api:1"`, Unknown},
		{"ErrImagePull", "", Unknown},
	}
	for _, tt := range tests {
		if got := ClassOf(tt.reason, tt.message); got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.reason, tt.message, got, tt.want)
		}
	}
	if Concerns("CrashLoopBackOff") || !Concerns("ErrImagePull") {
		t.Error("which reasons are about the image")
	}
	if got := ClassOf("ErrImagePull", strings.Repeat("x", 1<<20)+": not found"); got != NotFound {
		t.Errorf("the end of a long message: %s", got)
	}
}

func FuzzImage(f *testing.F) {
	f.Add("reg.local:5000/a/b@sha256:0")
	f.Add("dial tcp: lookup x on y: i/o timeout")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := Parse(s); ok && (r.Registry == "" || r.Repository == "" || r.Tag == "" && !strings.HasSuffix(s, "@") && !strings.HasSuffix(s, ":")) {
			t.Errorf("%q: %+v", s, r)
		}
		if ClassOf("ErrImagePull", s) == "" {
			t.Errorf("%q has no class", s)
		}
	})
}
