//go:build live

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/story"
)

// apiCase is a fault that the API alone decides. The manifest is applied in a
// namespace of its own; NAMESPACE in it and in target stands for that.
type apiCase struct {
	name     string
	manifest string
	before   func(t *testing.T, ns string) // what is done before the manifest is applied, nil for nothing
	after    func(t *testing.T, ns string) // what is done once the manifest is applied, nil for nothing
	target   []string                      // of explain; none is the namespace
	cause    string                        // "" for a healthy verdict
	entity   story.Entity                  // without namespace when it is in the test's; a Name that ends in * is a prefix
	not      []string                      // causes that must not be supported
	says     []string                      // parts of the headline
}

// runAPICases runs each case beside the others, until the story is the wanted
// one or time is up.
func runAPICases(t *testing.T, cases []apiCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c apiCase) run(t *testing.T) {
	ns := namespace(t, client(t), nil)
	in := func(s string) string { return strings.ReplaceAll(s, "NAMESPACE", ns) }
	if c.before != nil {
		c.before(t, ns)
	}
	if c.manifest != "" {
		apply(t, ns, in(c.manifest))
	}
	if c.after != nil {
		c.after(t, ns)
	}
	args := []string{"-n", ns, "--no-probe"}
	for _, a := range c.target {
		args = append(args, in(a))
	}
	const patience = 100 * time.Second
	var s story.Story
	var wrong []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Second) {
		r := record(t, args...)
		if r.code != 0 {
			t.Fatalf("exit %d\n%s", r.code, r.stderr)
		}
		s = story.Story{}
		if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
			t.Fatalf("%v\n%s", err, r.stdout)
		}
		if wrong = c.wrong(&s, ns); len(wrong) == 0 {
			r.kept(t)
			return
		}
	}
	text := tapio(t, nil, append([]string{"explain"}, args...)...)
	t.Errorf("%s\n%s", strings.Join(wrong, "\n"), text.stdout)
}

// wrong lists in what the story differs from the wanted one.
func (c apiCase) wrong(s *story.Story, ns string) []string {
	var out []string
	if c.cause == "" {
		if s.Verdict != story.Healthy {
			out = append(out, "verdict "+string(s.Verdict)+", want healthy: "+s.Headline)
		}
		return out
	}
	for _, h := range s.Hypotheses {
		if h.Status == "supported" && slices.Contains(c.not, h.Cause) {
			out = append(out, "the rival is named: "+h.Cause+": "+h.Headline)
		}
		if len(h.Evidence) == 0 {
			out = append(out, h.Cause+" is listed without evidence")
		}
	}
	if s.Verdict != story.Explained || len(s.Hypotheses) == 0 {
		return append(out, string(s.Verdict)+", want "+c.cause+": "+s.Headline)
	}
	h := s.Hypotheses[0]
	if h.Cause != c.cause {
		out = append(out, "cause "+h.Cause+", want "+c.cause+": "+s.Headline)
	}
	want := c.entity
	if want.Namespace == "" && want.Kind != "Node" && want.Kind != "Namespace" && want.Kind != "PersistentVolume" {
		want.Namespace = ns
	}
	want.Name = strings.ReplaceAll(want.Name, "NAMESPACE", ns)
	got := h.Entity
	if prefix, ok := strings.CutSuffix(want.Name, "*"); ok && strings.HasPrefix(got.Name, prefix) {
		want.Name = got.Name
	}
	if got != want {
		out = append(out, "entity "+label(got)+", want "+label(want))
	}
	for _, part := range c.says {
		if !strings.Contains(s.Headline, strings.ReplaceAll(part, "NAMESPACE", ns)) {
			out = append(out, "headline lacks "+part+": "+s.Headline)
		}
	}
	return out
}

func label(e story.Entity) string {
	return strings.Join([]string{e.Kind, e.Namespace, e.Name, e.Container}, "/")
}

func TestAPIAlone(t *testing.T) {
	runAPICases(t, []apiCase{
		{
			name: "healthy", manifest: pod("fine", "", "pause"), target: []string{"pod/fine"},
		},
		{
			name: "oom", manifest: pod("leaky", "32Mi", "leak", "--start", "8Mi", "--step", "2Mi", "--every", "1s", "--until", "200Mi"), target: []string{"pod/leaky"},
			cause: "memory/limit-oom", entity: story.Entity{Kind: "Pod", Name: "leaky", Container: "app"},
			not: []string{"memory/node-oom", "memory/evicted"},
		},
	})
}
