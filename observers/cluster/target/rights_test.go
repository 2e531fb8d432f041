package target

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestResolveIsFrugal(t *testing.T) {
	tests := map[string]int{"pod/api-1-a": 2, "deploy/api": 3, "sts/db": 2, "svc/db": 2, "node/n1": 2, "api": 9}
	for arg, most := range tests {
		client := fake.NewClientset(shop()...)
		o := Options{Args: []string{arg}, Client: client}
		if _, err := resolve(t, o); err != nil {
			t.Fatal(err)
		}
		if n := len(client.Actions()); n > most {
			t.Errorf("%s cost %d requests, want at most %d", arg, n, most)
		}
	}
}

// TestWordWithPodRightsOnly names the workload by its pods.
func TestWordWithPodRightsOnly(t *testing.T) {
	client := fake.NewClientset(shop()...)
	client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetResource().Resource == "pods" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
	})
	for word, want := range map[string]string{
		"db": "statefulset/db StatefulSet/shop/db [db-0]", "api-1": "replicaset/api-1 ReplicaSet/shop/api-1 [api-1-a]", "front-x": "pod/front-x  [front-x]",
	} {
		got, err := resolve(t, Options{Args: []string{word}, Client: client})
		if err != nil {
			t.Errorf("%s: %v", word, err)
		} else if s := brief(got); s != want {
			t.Errorf("%s: got %s, want %s", word, s, want)
		}
	}
}

func TestForbidden(t *testing.T) {
	tests := []struct {
		name, verb, resource, arg string
		want                      string // "!": part of the error
	}{
		{"pods", "get", "pods", "pod/stray", `!no right to read pods in namespace "shop": ask for the verbs get and list on them`},
		{"replicasets", "*", "replicasets", "deploy/api", "deployment/api Deployment/shop/api [api-1-a api-2-a]"},
		{"replicasets of a pod", "*", "replicasets", "pod/api-1-a", "pod/api-1-a ReplicaSet/shop/api-1 [api-1-a]"},
		{"some kinds of a word", "get", "cronjobs", "api", "deployment/api Deployment/shop/api [api-1-a api-2-a]"},
		{"node", "get", "nodes", "node/n1", "node/n1  [api-1-a api-2-a db-0 front-x log-x report-1-x stray]"},
		{"everything of a word", "*", "*", "api", "!no right to read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := fake.NewClientset(shop()...)
			client.PrependReactor(tt.verb, tt.resource, func(a clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", errors.New("no"))
			})
			got, err := resolve(t, Options{Args: []string{tt.arg}, Client: client})
			if want, bad := strings.CutPrefix(tt.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) || !apierrors.IsForbidden(err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := brief(got); s != tt.want {
				t.Errorf("got %s", s)
			}
		})
	}
}

// TestNodeWithoutClusterRights falls back to the pods of the own namespace.
func TestNodeWithoutClusterRights(t *testing.T) {
	client := fake.NewClientset(shop()...)
	client.PrependReactor("list", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetNamespace() == "" {
			return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
		}
		return false, nil, nil
	})
	got, err := resolve(t, Options{Args: []string{"node/n1"}, Client: client})
	if err != nil || got.Namespace != "shop" || len(got.Pods) != 7 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUnreachable(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("dial tcp 10.0.0.1:6443: connect: connection refused")
	})
	for _, args := range [][]string{nil, {"api"}, {"deploy/api"}, {"pod/a"}, {"svc/a"}, {"node/a"}} {
		_, err := resolve(t, Options{Args: args, Client: client})
		if err == nil || !strings.HasPrefix(err.Error(), "the API server cannot be asked: ") {
			t.Errorf("%v: %v", args, err)
		}
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := Resolve(ctx, nil, Options{Args: []string{"widget/x"}, Client: client, Namespace: "shop"}); err == nil {
		t.Error("resolved without a cluster")
	}
	if _, err := Resolve(t.Context(), nil, Options{}); err == nil || !strings.Contains(err.Error(), "no kubeconfig") {
		t.Errorf("without client and getter: %v", err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	app := write("app.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n"+
		"apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n")
	config := write("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
	broken := write("broken.yaml", "kind: [\n")
	tests := []struct{ name, file, want string }{
		{"app", app, "pods/deployment/api,service/db  [api-1-a api-2-a db-0]"},
		{"nothing with pods", config, "!the files name no pod, workload or Service"},
		{"broken", broken, "!the files cannot be read"},
		{"missing", filepath.Join(dir, "none.yaml"), "!the files cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resolve(t, Options{Files: resource.FilenameOptions{Filenames: []string{tt.file}}}, shop()...)
			if want, bad := strings.CutPrefix(tt.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := brief(got); s != tt.want {
				t.Errorf("got %s", s)
			}
		})
	}
	if _, err := resolve(t, Options{Args: []string{"api"}, Files: resource.FilenameOptions{Filenames: []string{app}}}, shop()...); err == nil {
		t.Error("a file and a name were both taken")
	}
}

func TestNearest(t *testing.T) {
	there := []string{"api-7d-x", "api-7d-y", "api-7d-z", "api-7d-w", "web", "a", "redis-0", "redis-1"}
	tests := []struct {
		want string
		is   []string
	}{
		{"api", []string{"api-7d-w", "api-7d-x", "api-7d-y"}}, {"webb", []string{"web"}}, {"redis-2", []string{"redis-0", "redis-1"}},
		{"something-else", nil}, {"", []string{"a", "api-7d-w", "api-7d-x"}},
	}
	for _, tt := range tests {
		if got := nearest(tt.want, there); !slices.Equal(got, tt.is) {
			t.Errorf("nearest(%q) = %q, want %q", tt.want, got, tt.is)
		}
	}
	if d := distance(strings.Repeat("a", 10000), ""); d != 256 {
		t.Errorf("distance of a long name: %d", d)
	}
	if d := distance("kitten", "sitting"); d != 3 {
		t.Errorf("distance %d", d)
	}
}
