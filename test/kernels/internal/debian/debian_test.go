//go:build linux

package debian

import "testing"

func TestNewest(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"", ""},
		{"linux-image-6.1.0-9-cloud-amd64 - Linux 6.1\nlinux-image-6.1.0-56-cloud-amd64 - Linux 6.1\n", "linux-image-6.1.0-56-cloud-amd64"},
		{"linux-image-6.12.107+deb12-cloud-arm64 - x\nlinux-image-6.12.9+deb12-cloud-arm64 - x\n", "linux-image-6.12.107+deb12-cloud-arm64"},
	} {
		if got := newest(c.lines); got != c.want {
			t.Errorf("newest(%q) is %q, want %q", c.lines, got, c.want)
		}
	}
}
