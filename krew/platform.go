// Package krew makes what a release of the plugin consists of: an archive for
// each platform, their checksums, and the manifest of the krew index. Its live
// tests take the result through the real krew client.
package krew

import (
	"fmt"
	"strings"
)

// Platform is a pair of GOOS and GOARCH, which krew's selectors os and arch
// name in the same way.
type Platform struct{ OS, Arch string }

// Platforms are those that a release is made for, in the order of the manifest.
func Platforms() []Platform {
	return []Platform{
		{"linux", "amd64"}, {"linux", "arm64"},
		{"darwin", "amd64"}, {"darwin", "arm64"},
		{"windows", "amd64"}, {"windows", "arm64"},
	}
}

// String is the platform as "linux/amd64".
func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Program is the file name of the plugin in its archive, and the manifest's
// bin. krew asks for .exe on Windows.
func (p Platform) Program() string {
	if p.OS == "windows" {
		return "kubectl-tapio.exe"
	}
	return "kubectl-tapio"
}

// Archive is the file name of the archive of a version.
func (p Platform) Archive(version string) string {
	return fmt.Sprintf("kubectl-tapio_%s_%s_%s.tar.gz", version, p.OS, p.Arch)
}

// ParsePlatforms reads "linux/amd64,darwin/arm64"; the empty string means all.
// The order is that of Platforms, whatever the order of the words.
func ParsePlatforms(s string) ([]Platform, error) {
	if s == "" {
		return Platforms(), nil
	}
	want := map[string]bool{}
	for word := range strings.SplitSeq(s, ",") {
		want[word] = true
	}
	var list []Platform
	var names []string
	for _, p := range Platforms() {
		names = append(names, p.String())
		if want[p.String()] {
			list = append(list, p)
			delete(want, p.String())
		}
	}
	for word := range want {
		return nil, fmt.Errorf("no release is made for %q: there are %s", word, strings.Join(names, ", "))
	}
	return list, nil
}
