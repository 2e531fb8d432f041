package krew

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// plugin is what krew reads of a manifest (v1alpha2), strictly.
type plugin struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string `json:"version"`
		Homepage         string `json:"homepage"`
		ShortDescription string `json:"shortDescription"`
		Description      string `json:"description"`
		Caveats          string `json:"caveats"`
		Platforms        []struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			URI    string `json:"uri"`
			SHA256 string `json:"sha256"`
			Bin    string `json:"bin"`
		} `json:"platforms"`
	} `json:"spec"`
}

func read(t *testing.T, manifest []byte) plugin {
	t.Helper()
	var p plugin
	if err := yaml.UnmarshalStrict(manifest, &p); err != nil {
		t.Fatalf("%v\n%s", err, manifest)
	}
	return p
}

func artifacts() []Artifact {
	var list []Artifact
	for i, p := range Platforms() {
		list = append(list, Artifact{Platform: p, SHA256: strings.Repeat(string("0123456789abcdef"[i]), 64)})
	}
	return list
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func TestManifest(t *testing.T) {
	got, err := Manifest("v1.2.3", DefaultURI("v1.2.3"), artifacts())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tapio.yaml", got)
	golden(t, "checksums.txt", Checksums("v1.2.3", artifacts()))
	p := read(t, got)
	if p.Kind != "Plugin" || p.Metadata.Name+".yaml" != ManifestName || p.Spec.Version != "v1.2.3" {
		t.Errorf("manifest of %s %s %s", p.Kind, p.Metadata.Name, p.Spec.Version)
	}
	if len(p.Spec.Platforms) != len(Platforms()) {
		t.Fatalf("%d platforms, want %d", len(p.Spec.Platforms), len(Platforms()))
	}
	for i, want := range Platforms() {
		e := p.Spec.Platforms[i]
		if e.Selector.MatchLabels["os"] != want.OS || e.Selector.MatchLabels["arch"] != want.Arch || e.Bin != want.Program() || !strings.HasSuffix(e.URI, "/v1.2.3/"+want.Archive("v1.2.3")) {
			t.Errorf("platform %d is %+v, want %s", i, e, want)
		}
	}
}

// What krew's reviewers ask for beyond what its validator checks.
func TestManifestReadsWell(t *testing.T) {
	got, err := Manifest("v1.2.3", DefaultURI("v1.2.3"), artifacts())
	if err != nil {
		t.Fatal(err)
	}
	spec := read(t, got).Spec
	if n := len(spec.ShortDescription); n == 0 || n > 50 || strings.Contains(spec.ShortDescription, "\n") {
		t.Errorf("shortDescription has %d characters, at most 50 are wanted", n)
	}
	for _, text := range []string{spec.Description, spec.Caveats} {
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) > 80 {
				t.Errorf("longer than 80 columns: %s", line)
			}
		}
	}
	if !strings.Contains(spec.Caveats, "leaves nothing in clusters") || !strings.Contains(spec.Caveats, "completion remove") {
		t.Errorf("caveats: %s", spec.Caveats)
	}
}

func TestManifestRefuses(t *testing.T) {
	good := artifacts()
	with := func(sum string) []Artifact { return []Artifact{{Platforms()[0], sum}} }
	tests := []struct {
		name, version, uri string
		artifacts          []Artifact
		want               string
	}{
		{"a commit is no version", "6ed6c50", "https://x/y", good, "it must read like v1.2.3"},
		{"no v", "1.2.3", "https://x/y", good, "it must read like v1.2.3"},
		{"leading zero", "v01.2.3", "https://x/y", good, "it must read like v1.2.3"},
		{"build metadata", "v1.2.3+dirty", "https://x/y", good, "it must read like v1.2.3"},
		{"second line", "v1.2.3\nbin: x", "https://x/y", good, "it must read like v1.2.3"},
		{"endless", "v1.2.3-" + strings.Repeat("a", 1<<16), "https://x/y", good, "it must read like v1.2.3"},
		{"empty", "", "https://x/y", good, "it must read like v1.2.3"},
		{"no scheme", "v1.2.3", "x/y", good, "must be an http or https URL"},
		{"file", "v1.2.3", "file:///x", good, "must be an http or https URL"},
		{"no host", "v1.2.3", "https:///x", good, "must be an http or https URL"},
		{"comment", "v1.2.3", "https://x/y #", good, "must be an http or https URL"},
		{"no archive", "v1.2.3", "https://x/y", nil, "at least one archive"},
		{"short checksum", "v1.2.3", "https://x/y", with("00"), "for linux/amd64 is no SHA-256"},
		{"upper case", "v1.2.3", "https://x/y", with(strings.Repeat("A", 64)), "for linux/amd64 is no SHA-256"},
		{"not hex", "v1.2.3", "https://x/y", with(strings.Repeat("g", 64)), "for linux/amd64 is no SHA-256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Manifest(tt.version, tt.uri, tt.artifacts)
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 600 {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Whatever is accepted reads back as it was given.
func FuzzManifest(f *testing.F) {
	f.Add("v1.2.3", "https://x/y")
	f.Add("v0.0.1-rc.1", "http://127.0.0.1:80/v0.0.1/")
	f.Add("v1.2.3-0a.b", "https://x/%41: y")
	f.Add("v1.0.0", "https://[::1]/x")
	f.Fuzz(func(t *testing.T, version, uri string) {
		got, err := Manifest(version, uri, artifacts()[:1])
		if err != nil {
			return
		}
		p := read(t, got)
		want := strings.TrimSuffix(uri, "/") + "/" + Platforms()[0].Archive(version)
		if p.Spec.Version != version || len(p.Spec.Platforms) != 1 || p.Spec.Platforms[0].URI != want {
			t.Errorf("%q at %q became %q at %+v", version, uri, p.Spec.Version, p.Spec.Platforms)
		}
	})
}
