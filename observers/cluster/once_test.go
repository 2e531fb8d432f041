package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// TestOnce: a run that only looks costs one list of each kind it reads, and no
// watch.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(newPod("a", nil, nil), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
		src := Live(t.Context(), client, "shop", Options{Once: true})
		if err := src.Wait(within(t, time.Second)); err != nil {
			t.Fatal(err)
		}
		if pods, _ := src.Pods.List(labels.Everything()); len(pods) != 1 || src.Known(Pods) != nil {
			t.Errorf("%d pods, %v", len(pods), src.Known(Pods))
		}
		ordinary := 0
		for _, k := range kinds {
			if !k.demand {
				ordinary++
			}
		}
		if n := len(client.Actions()); n != ordinary {
			t.Errorf("%d requests for %d kinds", n, ordinary)
		}
		src.Want(Nodes)
		src.System().Want(Pods)
		if err := errors.Join(src.Wait(within(t, time.Second), Nodes), src.System().Wait(within(t, time.Second), Pods)); err != nil {
			t.Fatal(err)
		}
		for _, a := range client.Actions() {
			if a.GetVerb() != "list" {
				t.Errorf("%s %s", a.GetVerb(), a.GetResource().Resource)
			}
		}
	})
}

// TestOnceRefused: what is refused is told at once, what fails otherwise after
// a second try; nobody waits for either.
func TestOnceRefused(t *testing.T) {
	tests := []struct {
		name  string
		fails int // so many times
		err   error
		asked int
		known bool
	}{
		{"forbidden", 9, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no")), 1, false},
		{"a hiccup", 1, errors.New("connection reset"), 2, true},
		{"down", 9, errors.New("connection refused"), 2, false},
		{"expired", 9, apierrors.NewResourceExpired("too old"), 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset()
				asked := 0
				client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
					asked++
					return asked <= tt.fails, nil, tt.err
				})
				src := Live(t.Context(), client, "shop", Options{Once: true})
				if err := src.Wait(within(t, time.Second), Pods); err != nil {
					t.Fatal(err)
				}
				var u *Unknown
				err := src.Known(Pods)
				if (err == nil) != tt.known || err != nil && (!errors.As(err, &u) || !u.Final) || asked != tt.asked {
					t.Errorf("asked %d times: %v", asked, err)
				}
			})
		})
	}
}

func TestOnceReadsFewLogs(t *testing.T) {
	client := fake.NewClientset()
	src := Live(t.Context(), client, "shop", Options{Once: true})
	for i := range MaxLogReads + 2 {
		rc, err := src.Logs(context.Background(), "shop", fmt.Sprint("p", i), "c", LogOptions{})
		if (err == nil) != (i < MaxLogReads) {
			t.Fatalf("log %d: %v", i, err)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, rc)
			rc.Close()
		}
	}
}
