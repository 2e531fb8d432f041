package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestCompleting(t *testing.T) {
	tests := []struct {
		argv []string
		want []string
	}{
		{argv: []string{"/x/bin/kubectl_complete-tapio", "explain", "po"}, want: []string{"__complete", "explain", "po"}},
		{argv: []string{"kubectl_complete-tapio", ""}, want: []string{"__complete", ""}},
		{argv: []string{"kubectl_complete-tapio"}, want: []string{"__complete", ""}},
		{argv: []string{"/x/bin/kubectl-tapio", "explain"}},
		{argv: []string{"/x/kubectl_complete-tapio/kubectl-tapio"}},
		{argv: []string{""}},
		{argv: nil},
	}
	for _, tt := range tests {
		got, ok := completing(tt.argv)
		if ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %t; want %q", tt.argv, got, ok, tt.want)
		}
	}
}

// apiServer answers lists of names, as the API server does for metadata clients.
func apiServer(t *testing.T) (kubeconfig string) {
	t.Helper()
	names := map[string][]string{
		"/api/v1/namespaces":                        {"shop", "pay"},
		"/api/v1/nodes":                             {"n1", "n2"},
		"/api/v1/namespaces/shop/pods":              {"cart-1", "cart-2", "bad\x1b[2Jname", "$(reboot)"},
		"/apis/apps/v1/namespaces/shop/deployments": {"cart"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, ok := names[r.URL.Path]
		if !ok || r.URL.Query().Get("limit") != fmt.Sprint(completionNames) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var items []any
		for _, n := range list {
			items = append(items, map[string]any{"metadata": map[string]any{"name": n}})
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": map[string]any{}, "items": items})
	}))
	t.Cleanup(server.Close)
	return writeConfig(t, server.URL)
}

func writeConfig(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: prod
contexts: [{name: prod, context: {cluster: c, namespace: shop}}, {name: "a b", context: {cluster: c}}, {name: dev, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: %q}}]
`, server)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// complete asks for what can follow the words, and returns the offers that begin
// like the last of them (so the shells pick), without descriptions, and what went
// to the error stream.
func complete(t *testing.T, kubeconfig string, words ...string) (offers []string, directive, noise string) {
	t.Helper()
	t.Setenv("KUBECONFIG", kubeconfig)
	args, ok := completing(append([]string{completionName}, words...))
	if !ok {
		t.Fatal("the name of the completion was not recognised")
	}
	var out, errs bytes.Buffer
	root := newRoot(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs})
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	begun := words[len(words)-1]
	if flag, value, ok := strings.Cut(begun, "="); ok && strings.HasPrefix(flag, "--") {
		begun = value
	}
	for _, line := range lines[:len(lines)-1] {
		offer, _, _ := strings.Cut(line, "\t")
		if strings.HasPrefix(offer, begun) {
			offers = append(offers, offer)
		}
	}
	return offers, lines[len(lines)-1], errs.String()
}

func TestCompletion(t *testing.T) {
	config := apiServer(t)
	tests := []struct {
		words []string
		want  []string
	}{
		{[]string{"expl"}, []string{"explain"}},
		{[]string{"c"}, []string{"cleanup", "completion"}},
		{[]string{"explain", "--profi"}, []string{"--profile"}},
		{[]string{"explain", "--profile", ""}, []string{"privileged", "caps"}},
		{[]string{"explain", "--output", ""}, newFormats().allowed()},
		{[]string{"explain", "-o", "ya"}, []string{"yaml"}},
		{[]string{"explain", "-o", "m"}, []string{"markdown"}},
		{[]string{"explain", "--why-not", "memory/limit-o"}, []string{"memory/limit-oom"}},
		{[]string{"explain", "--color", "a"}, []string{"auto", "always"}},
		{[]string{"explain", "--dry-run=s"}, []string{"server"}},
		{[]string{"explain", "--observers", ""}, namesOf("")},
		{[]string{"explain", "--context", ""}, []string{"dev", "prod"}},
		{[]string{"explain", "-n", ""}, []string{"shop", "pay"}},
		{[]string{"explain", ""}, []string{"pod/", "deployment/", "statefulset/", "daemonset/", "job/", "service/", "node/"}},
		{[]string{"explain", "de"}, []string{"deployment/"}},
		{[]string{"explain", "pod/"}, []string{"pod/cart-1", "pod/cart-2"}},
		{[]string{"explain", "po", "cart-1", ""}, []string{"cart-2"}},
		{[]string{"explain", "deploy", ""}, []string{"cart"}},
		{[]string{"explain", "-n", "shop", "--context", "dev", "deploy/"}, []string{"deploy/cart"}},
		{[]string{"explain", "node/"}, []string{"node/n1", "node/n2"}},
		{[]string{"explain", "widget/"}, nil},
		{[]string{"explain", "pod/cart-1", ""}, nil},
		// Refused by the API server: nothing, and not a word.
		{[]string{"explain", "-n", "pay", "pod/"}, nil},
		{[]string{"explain", "svc/"}, nil},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.words, " "), func(t *testing.T) {
			got, directive, noise := complete(t, config, tt.words...)
			if !slices.Equal(got, tt.want) || !strings.HasPrefix(directive, ":") {
				t.Errorf("offers %q with %s, want %q", got, directive, tt.want)
			}
			if strings.Contains(strings.ToLower(noise), "error") {
				t.Errorf("said %q", noise)
			}
		})
	}
}

// Without a cluster, or with a broken configuration, completion of words goes on
// and that of names is empty and silent.
func TestCompletionWithoutCluster(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("\x00{not: [yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, config := range []string{writeConfig(t, server.URL), broken, filepath.Join(t.TempDir(), "none")} {
		for _, words := range [][]string{{"explain", "pod/"}, {"explain", "-n", ""}, {"explain", "pod", "x\x1b\n", ""}} {
			if got, _, noise := complete(t, config, words...); len(got) > 0 || strings.Contains(noise, "rror") {
				t.Errorf("%q: offers %q, says %q", words, got, noise)
			}
		}
		if got, _, _ := complete(t, config, "versio"); !slices.Equal(got, []string{"version"}) {
			t.Errorf("offers %q, want version", got)
		}
	}
}

// FuzzCompletion: whatever was typed, what is offered can be typed back.
func FuzzCompletion(f *testing.F) {
	f.Add("pod/", "pod")
	f.Add("$(x)/", "-")
	f.Fuzz(func(t *testing.T, word, kind string) {
		root := newRoot(genericiooptions.NewTestIOStreamsDiscard())
		cmd, _, err := root.Find([]string{"explain"})
		if err != nil {
			t.Fatal(err)
		}
		cmd.SetContext(t.Context())
		t.Setenv("KUBECONFIG", os.DevNull)
		for _, args := range [][]string{nil, {kind}} {
			offers, _ := cmd.ValidArgsFunction(cmd, args, word)
			if len(harmless(slices.Clone(offers))) != len(offers) {
				t.Errorf("%q offers %q", word, offers)
			}
		}
	})
}

func TestLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a symbolic link needs a privilege on Windows")
	}
	dir := t.TempDir()
	plugin, link := filepath.Join(dir, "kubectl-tapio"), filepath.Join(dir, completionName)
	steps := []struct {
		do   func(string, string) (string, error)
		want string
	}{
		{removeLink, link + " is not there"},
		{makeLink, "made " + link},
		{makeLink, link + " is there already"},
		{removeLink, "removed " + link},
		{removeLink, link + " is not there"},
	}
	for i, s := range steps {
		if got, err := s.do(plugin, link); err != nil || got != s.want {
			t.Errorf("step %d: %q, %v; want %q", i, got, err, s.want)
		}
	}
	foreign := map[string]func() error{
		"a file":       func() error { return os.WriteFile(link, []byte("mine"), 0o755) },
		"another link": func() error { return os.Symlink("elsewhere", link) },
	}
	for name, put := range foreign {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if _, err := makeLink(plugin, link); err == nil {
			t.Errorf("replaced %s", name)
		}
		if _, err := removeLink(plugin, link); err == nil {
			t.Errorf("removed %s", name)
		}
		if err := os.Remove(link); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	var out bytes.Buffer
	root := newRoot(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
	root.SetArgs([]string{"options"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--kubeconfig", "--context", "--namespace", "--as"} {
		if !strings.Contains(out.String(), flag) {
			t.Errorf("%s is missing in:\n%s", flag, out.String())
		}
	}
}
