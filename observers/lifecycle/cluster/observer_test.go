package cluster

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/observertest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func load(t testing.TB, file string) []runtime.Object {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []runtime.Object
	for _, doc := range bytes.Split(b, []byte("\n---\n")) {
		raw, err := yaml.ToJSON(doc)
		if err != nil {
			t.Fatal(err)
		}
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		out = append(out, obj)
	}
	return out
}

func open(t testing.TB, src source.Source) *observer {
	t.Helper()
	obs, err := Open(src)
	if err != nil {
		t.Fatal(err)
	}
	return obs.(*observer)
}

func text(t *testing.T, events []event.Event) string {
	var b strings.Builder
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// TestGolden tells everything that objects of real clusters hold.
func TestGolden(t *testing.T) {
	objs := load(t, "testdata/objects.yaml")
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	run := func(objs []runtime.Object) string {
		obs := open(t, source.FromObjects(objs, nil, now))
		events := observertest.Run(t, obs, lifecycle.Spec, func(*observertest.Session) { <-obs.First() })
		if st := obs.Stats(); st.Lost != 1 { // the Event about nobody
			t.Errorf("%d facts lost, want 1", st.Lost)
		}
		return text(t, events)
	}
	got := run(objs)
	golden := filepath.Join("testdata", "objects.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (go test -update writes it anew)", d)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		r.Shuffle(len(objs), func(i, j int) { objs[i], objs[j] = objs[j], objs[i] })
		if run(objs) != got {
			t.Error("the order of the objects changed the facts")
		}
	}
}

// TestFacts asserts the facts that matter most in their own words, so that an
// updated golden file cannot hide a loss.
func TestFacts(t *testing.T) {
	obs := open(t, source.FromObjects(load(t, "testdata/objects.yaml"), nil, time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)))
	events := observertest.Run(t, obs, lifecycle.Spec, func(*observertest.Session) { <-obs.First() })
	lines := map[string]bool{}
	for _, e := range events {
		var line string
		switch e.Kind {
		case lifecycle.Pod:
			owner, _ := e.Ref(event.Owner)
			line = fmt.Sprintf("%s owner=%s ready=%v phase=%s reason=%s deleted=%d", lifecycle.Name.Or(e, ""), owner.ID, lifecycle.Ready.Or(e, false),
				lifecycle.Phase.Or(e, ""), lifecycle.Reason.Or(e, ""), lifecycle.Deleted.Or(e, 0))
		case lifecycle.Container:
			line = fmt.Sprintf("%s %s %s limit=%d request=%d restarts=%d", e.Subject().ID, lifecycle.Role.Or(e, ""), lifecycle.State.Or(e, ""),
				lifecycle.MemoryLimit.Or(e, -1), lifecycle.MemoryRequest.Or(e, -1), lifecycle.Restarts.Or(e, 0))
		case lifecycle.Ended:
			line = fmt.Sprintf("%s ended %s %s %d before=%d started=%d", e.Subject().ID, e.At.Format("15:04:05"), lifecycle.Reason.Or(e, ""),
				lifecycle.ExitCode.Or(e, -1), lifecycle.Restarts.Or(e, -1), lifecycle.Started.Or(e, 0))
		case lifecycle.Workload:
			owner, _ := e.Ref(event.Owner)
			line = fmt.Sprintf("%s %d/%d rev=%s owner=%s", e.Subject().ID, lifecycle.Available.Or(e, -1), lifecycle.Desired.Or(e, -1), lifecycle.Revision.Or(e, ""), owner.ID)
		case lifecycle.Report:
			line = fmt.Sprintf("%s %s x%d %v", e.Subject(), lifecycle.Reason.Or(e, ""), e.Occurrences(), e.Span)
		}
		if lines[line] {
			t.Errorf("told twice: %s", line)
		}
		lines[line] = true
	}
	for _, want := range []string{
		"api-5d9f-aaaaa owner=Deployment/shop/api ready=false phase=Running reason= deleted=0",
		"p-loop/main main waiting limit=268435456 request=268435456 restarts=3",
		"p-loop/main ended 11:39:40 OOMKilled 137 before=2 started=1740829080",
		"p-loop/migrate init terminated limit=-1 request=-1 restarts=0",
		"p-loop/proxy sidecar running limit=-1 request=-1 restarts=0",
		"p-loop/debug ephemeral waiting limit=-1 request=-1 restarts=0",
		"p-tiny/main ended 11:10:00 StartError 128 before=1 started=0",
		"p-tiny/main ended 11:09:00 StartError 128 before=0 started=0",
		"evicted owner= ready=false phase=Failed reason=Evicted deleted=0",
		"p-evicted/main ended 08:00:00 ContainerStatusUnknown 137 before=0 started=0",
		"unplaced owner= ready=false phase=Pending reason=Unschedulable deleted=0",
		"leaving owner= ready=false phase=Running reason= deleted=1740829800",
		"etcd-n1 owner= ready=false phase= reason= deleted=0",
		"bare owner= ready=false phase= reason= deleted=0",
		"Deployment/shop/api 1/2 rev=7 owner=",
		"StatefulSet/shop/db 1/1 rev=db-7f8 owner=Database/shop/main",
		"DaemonSet/shop/log 3/3 rev= owner=",
		"Job/shop/report-28999 2/3 rev= owner=CronJob/shop/report",
		"container:p-loop/main BackOff x12 30m0s",
		"pod:p-unplaced FailedScheduling x4 14m59.876544s",
		"workload:Deployment/shop/api FailedCreate x1 0s",
		"node:n1 SystemOOM x1 0s",
		"container:p-mirror/etcd Unhealthy x1 0s",
		"pod:p-before Killing x1 0s",
	} {
		if !lines[want] {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		for l := range lines {
			t.Log(l)
		}
	}
}

// TestOpen tells which lists it needs and which it only misses.
func TestOpen(t *testing.T) {
	if _, err := Open(source.FromObjects(nil, nil, time.Time{})); err == nil {
		t.Error("opened without pods")
	}
	obs := open(t, source.FromObjects([]runtime.Object{&corev1.PodList{}}, nil, time.Time{}))
	var names []string
	for _, g := range obs.Gaps() {
		names = append(names, g.Need.Name)
	}
	if got := strings.Join(names, ", "); got != "list events, list deployments.apps, list replicasets.apps" {
		t.Errorf("gaps: %s", got)
	}
}

func TestContainerOf(t *testing.T) {
	for in, want := range map[string]string{
		"spec.containers{main}": "main", "spec.initContainers{a}": "a", "spec.ephemeralContainers{d}": "d",
		"spec.containers{}": "", "spec.containers{x": "", "spec": "", "": "", "spec.volumes{x}": "",
	} {
		if got, ok := containerOf(in); got != want && ok || ok != (want != "") {
			t.Errorf("containerOf(%q) = %q, %v", in, got, ok)
		}
	}
}
