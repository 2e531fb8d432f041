package admission

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// RBACForbidden is the cause "the program's account lacks a right".
const RBACForbidden finding.Cause = "admission/rbac-forbidden"

// goesOn is how fresh the words of a program must be to tell of now.
const goesOn = 5 * time.Minute

// evalRBACForbidden proposes RBACForbidden for each container whose log repeats
// the API server's refusal. The words are the API server's own, so they are
// exact; that they harm shows only in how the container does.
func evalRBACForbidden(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	seen := map[string]bool{}
	for _, f := range w.Of(logs.Trouble) {
		c := f.Subject()
		what := logs.Target.Or(f.Event, "")
		id := c.String() + what
		if logs.What.Or(f.Event, "") != logs.Forbidden || seen[id] || w.To.Sub(f.End()) > goesOn {
			continue
		}
		hurt, weight, ok := suffering(w, f)
		if !ok {
			continue
		}
		seen[id] = true
		e := claims.Trouble(f)
		n := w.Graph.Name(c)
		if what == "" {
			what = "what it asks for"
		}
		h := finding.Hypothesis{Cause: RBACForbidden, Entity: c, Since: f.At, State: finding.Failing, Now: hurt.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.RefusedAccount}, {Evidence: hurt, Weight: weight}}
		h.Chain = []finding.Link{
			{From: c, To: c, Mechanism: finding.Blocks, At: e.At, Trust: e.Trust, Sentence: e.Claim, Evidence: []finding.Evidence{e}},
			{From: c, To: c, Mechanism: finding.Fails, At: hurt.At, Trust: hurt.Trust, Sentence: hurt.Claim, Evidence: []finding.Evidence{hurt}},
		}
		h.Headline = fmt.Sprintf("%s: container %s fails because its service account may not %s", n.Name, n.Container, what)
		h.Absent = []finding.Absent{{What: "the roles of its account", Why: "roles were not read"}}
		h.Advice = []finding.Advice{
			{Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='{.spec.serviceAccountName}'", n.Namespace, n.Name), Expect: "its account"},
			{Command: fmt.Sprintf("kubectl -n %s auth can-i --list --as=system:serviceaccount:%s:ACCOUNT", n.Namespace, n.Namespace), Expect: "what that account may do"},
		}
		out = append(out, h)
	}
	return out
}

// suffering is how the container does beside the refusal: it ended badly after
// it, or is not ready.
func suffering(w *window.Window, f window.Fact) (finding.Evidence, finding.Weight, bool) {
	c := f.Subject()
	for _, e := range w.About(lifecycle.Ended, c) {
		if lag := e.At.Sub(f.At); lifecycle.ExitCode.Or(e.Event, 0) != 0 && lag > -2*time.Second && lag < goesOn {
			return claims.Ended(e), finding.EndedAfterRefusal, true
		}
	}
	state, ok := w.Last(lifecycle.Container, c)
	if ok && !lifecycle.Ready.Or(state.Event, true) {
		return claims.State(state), finding.EndedAfterRefusal, true
	}
	return finding.Evidence{}, "", false
}
