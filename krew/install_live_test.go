//go:build live

package krew_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/krew"
)

// user is someone with kubectl and krew, an empty home, and an index that knows
// tapio. Archives come from a server on the loopback.
type user struct {
	t         *testing.T
	root      string // KREW_ROOT
	index     string // git repository of the index
	published string // what the server serves
	uri       string
	path      []string // directories of programs
	env       []string
}

// newUser builds the real krew client and its manifest validator.
func newUser(t *testing.T) *user {
	t.Helper()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		const why = `no kubectl on PATH: install one, or take the lab's (make lab-up, then eval "$(bin/labctl env)")`
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	base := t.TempDir()
	u := &user{t: t, root: filepath.Join(base, "krew"), index: filepath.Join(base, "index"), published: filepath.Join(base, "published")}
	bin, home := filepath.Join(base, "bin"), filepath.Join(base, "home")
	for _, dir := range []string{u.published, bin, home, filepath.Join(u.index, "plugins")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "tool")
	build.Dir = filepath.Join("..", "tools", "krew")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build krew: %v\n%s", err, out)
	}
	// kubectl finds it by this name, in a directory outside of KREW_ROOT.
	if err := os.Rename(filepath.Join(bin, exe("krew")), filepath.Join(bin, exe("kubectl-krew"))); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(u.published)))
	t.Cleanup(server.Close)
	u.uri = server.URL
	u.path = append([]string{filepath.Join(u.root, "bin"), bin, filepath.Dir(kubectl)}, filepath.SplitList(os.Getenv("PATH"))...)
	u.env = append(os.Environ(),
		"HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"), "PATH="+strings.Join(u.path, string(filepath.ListSeparator)),
		"KREW_ROOT="+u.root, "KREW_NO_UPGRADE_CHECK=1", "KREW_DEFAULT_INDEX_URI=file://"+filepath.ToSlash(u.index),
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
	)
	u.must("git", "init", "-q", u.index)
	return u
}

func exe(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// run calls a program as the user, with nothing on its standard input.
func (u *user) run(name string, args ...string) (string, error) {
	u.t.Helper()
	// exec looks names up in the test's own PATH; this is the user's.
	for _, dir := range u.path {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			name = found
			break
		}
	}
	cmd := exec.CommandContext(u.t.Context(), name, args...)
	cmd.Env = u.env
	cmd.Dir = filepath.Dir(u.root)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (u *user) must(name string, args ...string) string {
	u.t.Helper()
	out, err := u.run(name, args...)
	if err != nil {
		u.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// refused calls a program that must fail and returns what it says.
func (u *user) refused(name string, args ...string) string {
	u.t.Helper()
	out, err := u.run(name, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		u.t.Fatalf("%s %s did not fail: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// publish makes a release, serves its archives and commits its manifest to the
// index.
func (u *user) publish(ctx context.Context, version string, platforms []krew.Platform) {
	u.t.Helper()
	var report bytes.Buffer
	err := krew.Release(ctx, krew.Options{Root: "..", Out: filepath.Join(u.published, version), Version: version,
		URI: u.uri + "/" + version, Platforms: platforms, Report: &report})
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Logf("released %s\n%s", version, report.String())
	manifest, err := os.ReadFile(filepath.Join(u.published, version, krew.ManifestName))
	if err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(u.manifest(), manifest, 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.must("git", "-C", u.index, "add", "plugins")
	u.must("git", "-C", u.index, "-c", "user.name=index", "-c", "user.email=index@localhost", "commit", "-q", "-m", version)
}

func (u *user) manifest() string { return filepath.Join(u.index, "plugins", krew.ManifestName) }

func (u *user) expect(out string, words ...string) {
	u.t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			u.t.Errorf("%q is missing in:\n%s", w, out)
		}
	}
}

// version asks the installed plugin, through kubectl.
func (u *user) version(want string) {
	u.t.Helper()
	u.expect(u.must("kubectl", "tapio", "version"),
		fmt.Sprintf("kubectl-tapio %s (%s, %s/%s)", want, runtime.Version(), runtime.GOOS, runtime.GOARCH),
		"probe linux/amd64: "+want+", ", "probe linux/arm64: "+want+", ")
}

// traces are what krew still holds of the plugin, the index aside.
func (u *user) traces() []string {
	u.t.Helper()
	var left []string
	err := filepath.WalkDir(u.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path == filepath.Join(u.root, "index"):
			return fs.SkipDir
		case strings.Contains(d.Name(), "tapio"):
			left = append(left, path)
		}
		return nil
	})
	if err != nil {
		u.t.Fatal(err)
	}
	return left
}

// The whole life of an installed plugin, with the real krew client.
func TestInstall(t *testing.T) {
	u := newUser(t)
	here := krew.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	u.publish(t.Context(), "v0.0.1", []krew.Platform{here})
	u.must("validate-krew-manifest", "-manifest", u.manifest(), "-skip-install")
	u.must("kubectl", "krew", "update")
	u.expect(u.must("kubectl", "krew", "search", "tapio"), "tapio", "Explain why a pod is failing")
	u.expect(u.must("kubectl", "krew", "info", "tapio"), "VERSION: v0.0.1", u.uri+"/v0.0.1/"+here.Archive("v0.0.1"))
	u.expect(u.must("kubectl", "krew", "install", "tapio"), "Installed plugin: tapio", "Uninstalling the plugin leaves nothing in clusters")
	u.version("v0.0.1")
	u.expect(u.must("kubectl", "tapio", "explain", "--help"), "kubectl tapio explain [TARGET]")
	if len(u.traces()) == 0 {
		t.Fatal("krew holds nothing of an installed plugin: the search for leftovers is blind")
	}
	u.completion()
	u.explainOnCluster()

	u.publish(t.Context(), "v0.0.2", krew.Platforms())
	u.validate()
	u.must("kubectl", "krew", "update")
	u.expect(u.must("kubectl", "krew", "upgrade", "tapio"), "Upgraded plugin: tapio")
	u.version("v0.0.2")

	u.must("kubectl", "krew", "uninstall", "tapio")
	if left := u.traces(); len(left) > 0 {
		t.Errorf("uninstalling left %s", strings.Join(left, ", "))
	}
	u.expect(u.refused("kubectl", "tapio", "version"), "unknown command")
	u.wrongChecksum(here, "v0.0.2")
}

// leaky is a pod that meets its memory limit every few seconds.
const leaky = `apiVersion: v1
kind: Pod
metadata: {name: leaky}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: "WORKLOAD_IMAGE"
    imagePullPolicy: IfNotPresent
    resources: {limits: {memory: 32Mi}}
    args: [leak, --start, 8Mi, --step, 2Mi, --every, 1s, --until, 1Gi]
`

// explainOnCluster uses what was installed for what it is for: on the cluster
// of the KUBECONFIG, with the probe that came in the archive.
func (u *user) explainOnCluster() {
	u.t.Helper()
	config := os.Getenv("KUBECONFIG")
	if config == "" {
		const why = `no KUBECONFIG: the installed plugin is not used on a cluster (make lab-up, then eval "$(bin/labctl env)")`
		if os.Getenv("CI") == "true" {
			u.t.Fatal(why)
		}
		u.t.Log(why)
		return
	}
	none := u.env
	u.env = append(slices.Clone(none), "KUBECONFIG="+config, "NO_PROXY="+os.Getenv("NO_PROXY"), "no_proxy="+os.Getenv("NO_PROXY"))
	defer func() { u.env = none }()
	const ns = "tapio-krew"
	image := os.Getenv("WORKLOAD_IMAGE")
	if image == "" {
		image = "lab.local/workload:1"
	}
	manifest := filepath.Join(u.t.TempDir(), "leaky.yaml")
	if err := os.WriteFile(manifest, []byte(strings.ReplaceAll(leaky, "WORKLOAD_IMAGE", image)), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.must("kubectl", "create", "namespace", ns)
	defer u.must("kubectl", "delete", "namespace", ns, "--wait=false")
	u.must("kubectl", "-n", ns, "wait", "--for=create", "--timeout=60s", "serviceaccount/default")
	u.must("kubectl", "-n", ns, "apply", "-f", manifest)
	u.must("kubectl", "-n", ns, "wait", "--timeout=60s", "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.reason}=OOMKilled", "pod/leaky")
	u.expect(u.must("kubectl", "tapio", "explain", "pod/leaky", "-n", ns),
		"leaky: container app reached its 32Mi memory limit", "kernel killed workload", "seen, kernel log")
}

// completion makes the link, lets kubectl complete through it, and removes it.
func (u *user) completion() {
	u.t.Helper()
	u.must("kubectl", "tapio", "completion", "install")
	u.expect(u.must("kubectl", "__complete", "tapio", ""), "explain\t", "cleanup\t", "version\t")
	u.expect(u.must("kubectl", "__complete", "tapio", "explain", "--prof"), "--profile")
	u.expect(u.must("kubectl", "__complete", "tapio", "explain", "--profile", ""), "privileged", "caps")
	u.must("kubectl", "tapio", "completion", "remove")
	if _, err := os.Lstat(filepath.Join(u.root, "bin", "kubectl_complete-tapio")); !os.IsNotExist(err) {
		u.t.Errorf("the completion link is still there: %v", err)
	}
}

// validate runs the index's own check: it installs the manifest for each of the
// six platforms and looks for the license.
func (u *user) validate() {
	u.t.Helper()
	out := u.must("validate-krew-manifest", "-manifest", u.manifest())
	u.expect(out, fmt.Sprintf("all %d spec.platforms installed fine", len(krew.Platforms())))
	other := filepath.Join(u.t.TempDir(), "other.yaml")
	manifest, err := os.ReadFile(u.manifest())
	if err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(other, manifest, 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.expect(u.refused("validate-krew-manifest", "-manifest", other, "-skip-install"), "tapio")
}

// wrongChecksum offers an archive that is not the one the manifest speaks of.
func (u *user) wrongChecksum(here krew.Platform, version string) {
	u.t.Helper()
	served := filepath.Join(u.published, version, here.Archive(version))
	f, err := os.OpenFile(served, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	if _, err := f.WriteString("one more byte"); err != nil {
		u.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		u.t.Fatal(err)
	}
	u.expect(u.refused("kubectl", "krew", "install", "tapio"), "checksum does not match")
	for _, left := range u.traces() {
		if strings.Contains(left, filepath.Join(u.root, "bin")) || strings.Contains(left, "receipts") {
			u.t.Errorf("the refused archive left %s", left)
		}
	}
}
