package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/yairfalse/tapio/observers"
)

func TestListsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := newPod("coredns", nil, nil)
		dns.Namespace = metav1.NamespaceSystem
		client := fake.NewClientset(newPod("a", nil, nil), dns, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
		var asked requests
		client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
			asked.note(a)
			return false, nil, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		src := Live(ctx, client, "shop", Options{})
		loop, err := NewLoop(src, observers.Spec{Needs: []observers.Need{
			{Type: observers.Verb, Name: "list pods"},
			{Type: observers.Verb, Name: "list nodes", Optional: true},
			{Type: observers.Verb, Name: "list persistentvolumes", Optional: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		looks := 0
		go func() {
			_ = loop.Follow(ctx, func() error {
				looks++
				loop.Want(src, Nodes)
				loop.Want(src.System(), Pods)
				return nil
			})
		}()
		<-loop.First()
		if looks < 2 {
			t.Error("the first look was complete before the lists it wanted were there")
		}
		if nodes, _ := src.Nodes.List(labels.Everything()); len(nodes) != 1 {
			t.Errorf("%d nodes", len(nodes))
		}
		if pods, _ := src.System().Pods.List(labels.Everything()); len(pods) != 1 || pods[0].Name != "coredns" {
			t.Errorf("pods of the system: %v", pods)
		}
		if asked.count("list", "persistentvolumes") != 0 {
			t.Error("volumes were listed although nobody wanted them")
		}
		var u *Unknown
		if err := src.Known(Volumes); !errors.As(err, &u) || !u.Unasked || u.Final {
			t.Errorf("volumes: %v", err)
		}
		if gaps := loop.Gaps(); len(gaps) != 0 {
			t.Errorf("what nobody wanted is no gap: %v", gaps)
		}
		if err := src.Wait(within(t, time.Second), Volumes); err != nil {
			t.Errorf("waiting for what nobody reads: %v", err)
		}
		cancel()
		synctest.Wait()
	})
}

func TestAllPodsOfTheWholeCluster(t *testing.T) {
	src := FromObjects([]runtime.Object{newPod("a", nil, nil)}, nil, time.Time{})
	if err := src.Known(AllPods); err != nil {
		t.Fatal(err)
	}
	if pods, _ := src.AllPods.List(labels.Everything()); len(pods) != 1 {
		t.Errorf("%d pods", len(pods))
	}
	if err := FromObjects(nil, nil, time.Time{}).Known(AllPods); err == nil {
		t.Error("an input without pods knows all pods")
	}
}
