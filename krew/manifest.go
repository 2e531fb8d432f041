package krew

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"text/template"
)

// ManifestName is the manifest's file name: krew wants metadata.name + ".yaml".
const ManifestName = "tapio.yaml"

//go:embed tapio.yaml.tmpl
var manifestText string

// versionPattern is semver 2.0.0 with krew's leading v, without build metadata:
// a + is not the same in a URI and in a file name.
var versionPattern = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?$`)

// CheckVersion says what is wrong with the version of a release: krew takes
// semantic versions with a leading v only.
func CheckVersion(version string) error {
	if len(version) > 128 || !versionPattern.MatchString(version) {
		return fmt.Errorf("%.140q is no version of a release: it must read like v1.2.3 or v1.2.3-rc.1 (make dist VERSION=v1.2.3)", version)
	}
	return nil
}

// Artifact is one archive of a release.
type Artifact struct {
	Platform Platform
	SHA256   string // of the archive, lower-case hex
}

// DefaultURI is where the project publishes the archives of a version.
func DefaultURI(version string) string {
	return "https://github.com/yairfalse/tapio/releases/download/" + version
}

// Manifest is the plugin manifest for the krew index
// (krew.googlecontainertools.github.com/v1alpha2). Archives lie below uri, by
// their names.
func Manifest(version, uri string, artifacts []Artifact) ([]byte, error) {
	if err := CheckVersion(version); err != nil {
		return nil, err
	}
	if err := checkURI(uri); err != nil {
		return nil, err
	}
	if len(artifacts) == 0 {
		return nil, fmt.Errorf("a manifest needs at least one archive")
	}
	type platform struct{ OS, Arch, URI, SHA256, Bin string }
	var list []platform
	for _, a := range artifacts {
		if sum, err := hex.DecodeString(a.SHA256); err != nil || len(sum) != 32 || a.SHA256 != strings.ToLower(a.SHA256) {
			return nil, fmt.Errorf("the checksum of the archive for %s is no SHA-256 in lower-case hex", a.Platform)
		}
		list = append(list, platform{a.Platform.OS, a.Platform.Arch, strings.TrimSuffix(uri, "/") + "/" + a.Platform.Archive(version), a.SHA256, a.Platform.Program()})
	}
	t, err := template.New(ManifestName).Parse(manifestText)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]any{"Version": version, "Platforms": list})
	return []byte(b.String()), err
}

// checkURI takes what can stand in the manifest as it is and what krew can
// download: http or https with a host, in plain characters.
func checkURI(uri string) error {
	u, err := url.Parse(uri)
	plain := !strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("#\"'`{}?<>\\", r) })
	if err != nil || !plain || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("%.200q is no place for archives: it must be an http or https URL of a directory", uri)
	}
	return nil
}

// Checksums is checksums.txt, in the format of sha256sum.
func Checksums(version string, artifacts []Artifact) []byte {
	var b strings.Builder
	for _, a := range artifacts {
		fmt.Fprintf(&b, "%s  %s\n", a.SHA256, a.Platform.Archive(version))
	}
	return []byte(b.String())
}
