//go:build live

package e2e

import (
	"context"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/session"
)

// restConfig reads a kubeconfig, by default the one of the environment.
func restConfig(t *testing.T, kubeconfig string) *rest.Config {
	t.Helper()
	if kubeconfig == "" {
		needs(t, "KUBECONFIG")
		kubeconfig = os.Getenv("KUBECONFIG")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// allNodes lists the cluster's nodes.
func allNodes(t *testing.T, c kubernetes.Interface) []session.Node {
	t.Helper()
	list, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []session.Node
	for _, n := range list.Items {
		out = append(out, session.Node{Name: n.Name})
	}
	return out
}

// needsPayload skips where the test binary carries no probe.
func needsPayload(t *testing.T, p *session.Plan) {
	t.Helper()
	for _, r := range p.Refusals() {
		if r.Reason == launch.NoPayload && os.Getenv("CI") != "true" {
			t.Skip(r)
		}
		t.Fatal(r)
	}
}

// noneOf waits until no object of a run is left.
func noneOf(t *testing.T, c kubernetes.Interface, run string, within time.Duration) {
	t.Helper()
	ours := metav1.ListOptions{LabelSelector: launch.LabelRun + "=" + run}
	if run == "" {
		ours.LabelSelector = launch.LabelManagedBy + "=" + launch.ManagedBy
	}
	deadline := time.Now().Add(within)
	for {
		var left []string
		jobs, err := c.BatchV1().Jobs("").List(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs.Items {
			left = append(left, "job "+j.Name)
		}
		pods, err := c.CoreV1().Pods("").List(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pods.Items {
			left = append(left, "pod "+p.Name)
		}
		maps, err := c.CoreV1().ConfigMaps("").List(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range maps.Items {
			left = append(left, "configmap "+m.Name)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s later there is still: %s", within, strings.Join(left, ", "))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// reached returns when a milestone was reached by the slowest node.
func reached(s *session.Session, name string) (at time.Duration) {
	for _, m := range s.Milestones() {
		if m.Name == name {
			at = max(at, m.After)
		}
	}
	return at
}

// probeOnce runs a session until every node has spoken and returns it closed.
func probeOnce(t *testing.T, ctx context.Context, cfg session.Config) (*session.Plan, *session.Session) {
	t.Helper()
	p, err := session.NewPlan(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	needsPayload(t, p)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s := p.Start(ctx)
	hellos := map[string]bool{}
	for f := range s.Frames() {
		if f.Gap != nil && f.Gap.Observer == session.GapObserver {
			t.Errorf("%s: %s", f.Source.Name, f.Gap.Why)
		}
		if f.Hello != nil {
			hellos[f.Source.Name] = true
		}
		if len(hellos) == len(cfg.Nodes) && len(s.Offsets()) == len(cfg.Nodes) {
			cancel()
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(hellos) != len(cfg.Nodes) {
		t.Errorf("only %v spoke", hellos)
	}
	return p, s
}

// TestProbesStart measures, and logs, how long a probe takes from the command
// to its first frame; that it comes at all is what the test holds.
func TestProbesStart(t *testing.T) {
	c := client(t)
	cfg := session.Config{Rest: restConfig(t, ""), Nodes: allNodes(t, c)}
	times := map[string][]time.Duration{}
	names := []string{"planned", "created", "pod running", "first frame", "deleted"}
	for range 10 {
		p, s := probeOnce(t, t.Context(), cfg)
		noneOf(t, c, p.Run(), 5*time.Second)
		for _, n := range names {
			times[n] = append(times[n], reached(s, n))
		}
		for node, o := range s.Offsets() {
			if o.Offset.Abs() > o.Error+time.Second {
				t.Errorf("the clock of %s is off by %s +- %s", node, o.Offset, o.Error)
			}
		}
	}
	for _, n := range names {
		all := slices.Clone(times[n])
		first := all[0]
		slices.Sort(all)
		t.Logf("%-12s first %4dms, median %4dms, worst %4dms", n, first.Milliseconds(), all[len(all)/2].Milliseconds(), all[len(all)-1].Milliseconds())
	}
}

func TestProbeProfiles(t *testing.T) {
	c := client(t)
	for _, profile := range launch.Profiles() {
		t.Run(string(profile), func(t *testing.T) {
			p, _ := probeOnce(t, t.Context(), session.Config{Rest: restConfig(t, ""), Nodes: allNodes(t, c)[:1], Profile: profile})
			noneOf(t, c, p.Run(), 5*time.Second)
		})
	}
}

// TestNextCarrier lets the kubelet refuse the first image.
func TestNextCarrier(t *testing.T) {
	c := client(t)
	config := restConfig(t, "")
	fast, err := launch.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	run := launch.NewRunID()
	p := launch.Prepare(t.Context(), fast, launch.Options{Run: run, TokenSHA256: strings.Repeat("0", 64)},
		[]launch.Target{{Node: allNodes(t, c)[0].Name}})
	if r := p.Nodes[0].Refused; r != nil {
		t.Skip(r)
	}
	p.Nodes[0].Images = append([]string{"registry.invalid/not-on-this-node:1"}, p.Nodes[0].Images...)
	r := p.Launch(t.Context(), config)
	err = r.Probes()[0].WaitRunning(t.Context())
	if derr := r.Delete(t.Context()); derr != nil {
		t.Error(derr)
	}
	if err != nil {
		t.Error(err)
	}
	noneOf(t, c, run, 5*time.Second)

	p.Nodes[0].Images = []string{"registry.invalid/not-on-this-node:1"}
	r = p.Launch(t.Context(), config)
	err = r.Probes()[0].WaitRunning(t.Context())
	if derr := r.Delete(t.Context()); derr != nil {
		t.Error(derr)
	}
	if refused := launch.AsRefused(err); refused == nil || refused.Reason != launch.ImageDenied {
		t.Errorf("got %v", err)
	}
	noneOf(t, c, run, 5*time.Second)
}

// TestProbeRefusalsAreSentences meets what a real API server answers.
func TestProbeRefusalsAreSentences(t *testing.T) {
	c := client(t)
	restricted := namespace(t, c, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	baseline := namespace(t, c, map[string]string{"pod-security.kubernetes.io/enforce": "baseline"})
	admin := restConfig(t, "")
	gone := rest.CopyConfig(admin)
	gone.Host = "https://127.0.0.1:1"
	nodes := allNodes(t, c)[:1]
	tests := map[string]struct {
		cfg    session.Config
		reason launch.Reason
		says   string
	}{
		"restricted":  {session.Config{Rest: admin, Nodes: nodes, Namespace: restricted}, launch.PodSecurity, restricted + ` enforces Pod Security "restricted"`},
		"baseline":    {session.Config{Rest: admin, Nodes: nodes, Namespace: baseline, Profile: launch.Caps}, launch.PodSecurity, baseline + ` enforces Pod Security "baseline"`},
		"no node":     {session.Config{Rest: admin, Nodes: []session.Node{{Name: "no-such-node"}}}, launch.BadNode, "node no-such-node does not exist"},
		"no cluster":  {session.Config{Rest: gone, Nodes: nodes}, launch.Unreachable, "the API server does not answer"},
		"no such ns":  {session.Config{Rest: admin, Nodes: nodes, Namespace: "no-such-namespace"}, launch.Conflict, "namespace no-such-namespace does not exist"},
		"no priority": {session.Config{Rest: admin, Nodes: nodes, PriorityClass: "no-such-class"}, launch.Conflict, "there is no PriorityClass"},
	}
	if os.Getenv("TAPIO_LABCTL") != "" {
		tests["no rights"] = struct {
			cfg    session.Config
			reason launch.Reason
			says   string
		}{session.Config{Rest: restConfig(t, user(t, "tapio-nobody")), Nodes: nodes}, launch.NoRight, "no right to create jobs in kube-system"}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := session.NewPlan(t.Context(), tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			rs := p.Refusals()
			if len(rs) == 1 && rs[0].Reason == launch.NoPayload {
				t.Skip(rs[0])
			}
			if len(rs) != 1 || rs[0].Reason != tt.reason || !strings.Contains(rs[0].Error(), tt.says) {
				t.Fatalf("got %v, want %s: %s", rs, tt.reason, tt.says)
			}
			t.Log(rs[0])
			s := p.Start(t.Context())
			var told int
			for f := range s.Frames() {
				if f.Gap != nil {
					told++
				}
			}
			if err := s.Close(t.Context()); err != nil || told != 1 {
				t.Errorf("%d gaps, %v", told, err)
			}
			noneOf(t, c, p.Run(), time.Second)
		})
	}
}

// TestInterruptAtAnyMoment cancels sessions while they are being made.
func TestInterruptAtAnyMoment(t *testing.T) {
	c := client(t)
	cfg := session.Config{Rest: restConfig(t, ""), Nodes: allNodes(t, c)}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	for range 15 {
		p, err := session.NewPlan(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		needsPayload(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int63n(int64(2*time.Second))))
		s := p.Start(ctx)
		for range s.Frames() {
		}
		cancel()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		noneOf(t, c, p.Run(), 5*time.Second)
	}
}

// TestLeaseIsExtended keeps a probe longer than one lease.
func TestLeaseIsExtended(t *testing.T) {
	if !full() {
		t.Skip("longer than a lease: run make test-full")
	}
	c := client(t)
	p, err := session.NewPlan(t.Context(), session.Config{Rest: restConfig(t, ""), Nodes: allNodes(t, c)[:1]})
	if err != nil {
		t.Fatal(err)
	}
	needsPayload(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), launch.Lease+25*time.Second)
	defer cancel()
	s := p.Start(ctx)
	var last time.Duration
	began := time.Now()
	for f := range s.Frames() {
		if f.Gap != nil && f.Gap.Observer == session.GapObserver {
			t.Errorf("gap: %s", f.Gap.Why)
		}
		if f.Beat != nil {
			last = time.Since(began)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if last < launch.Lease+20*time.Second {
		t.Errorf("the last sign of life came after %s", last)
	}
	noneOf(t, c, p.Run(), 5*time.Second)
}
