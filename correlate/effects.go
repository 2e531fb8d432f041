package correlate

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// relation is how a root may lie to what it brings about.
type relation uint

const (
	sameUnit relation = 1 << iota // another fault of the same workload, or of the same bare pod, Service or claim
	callee                        // a fault of something that it calls
	host                          // a fault of a node it is on
	backend                       // a fault of the pods behind the Service, or of their workload
	anyNode                       // a fault of any node
	unmade                        // a quota of Services that is used up in its namespace
)

// effect says of a cause that it can be what another fault looks like from
// where it strikes.
type effect struct {
	of relation
	// depth orders the effects of one unit: a deeper one may be brought about
	// by a shallower one, never the other way round. Causes that are no effects
	// have depth 0.
	depth  int
	reason string
}

// effects are the causes that yield to a supported root. A mistake in an object
// (an image that does not exist, a selector that matches nothing) is never
// here: nothing else brings it about.
var effects = map[finding.Cause]effect{
	"exit/dependency-unavailable":     {callee | sameUnit | host, 1, "the program quits because of a peer; what ails the peer is the root"},
	"exit/init-failed":                {callee | sameUnit | host, 2, "an init container that waits or fails shows what it waits for"},
	"exit/panic-or-usage":             {sameUnit, 2, "an exit code says how a program ended, not why"},
	"exit/abort":                      {sameUnit, 2, "a signal the program sent to itself says how it ended, not why"},
	"exit/completed-loop":             {sameUnit, 2, "an end without error is told by what the container was made to run"},
	"exit/killed-after-grace":         {sameUnit | host, 3, "somebody asked for the end: a failing probe, a rollout, a drain"},
	"exit/terminated-on-request":      {sameUnit | host, 3, "somebody asked for the end: a failing probe, a rollout, a drain"},
	"exit/job-failed":                 {sameUnit | callee | host, 4, "the Job gave up because each attempt failed; the attempts tell why"},
	"probe/liveness-kills-slow":       {sameUnit | callee | host, 3, "what makes the answers slow is the root"},
	"probe/startup-too-slow":          {sameUnit | callee | host, 3, "what makes the start slow is the root"},
	"probe/readiness-failing":         {sameUnit | callee | host, 3, "a container that is not ready shows a fault of its own or of what it calls"},
	"change/bad-rollout":              {sameUnit, 4, "the rollout brought the fault; the fault itself says what to mend"},
	"change/config-change":            {sameUnit, 4, "the change brought the fault; the fault itself says what to mend"},
	"network/refused":                 {callee | backend | sameUnit | host, 4, "nothing listens because what should is not running"},
	"network/no-endpoints":            {backend | sameUnit | host, 4, "no pod is ready because of what ails the pods"},
	"saturation/db-auth":              {sameUnit, 4, "a refused login shows that credentials are wrong; which and why is the root"},
	"saturation/slow-dependency":      {callee | sameUnit | host, 4, "what makes the dependency slow is the root"},
	"cascade/timeout":                 {callee | sameUnit | host, 5, "time-outs pile up above what is slow"},
	"cascade/retry-storm":             {callee | sameUnit | host, 5, "retries follow the first failures"},
	"cascade/breaker-open":            {callee | sameUnit | host, 5, "a breaker opens because of the peer"},
	"lifecycle/stuck-terminating":     {host, 1, "no kubelet, no end of the pod"},
	"scheduling/preempted-or-drained": {host, 1, "the node went first"},
	"node/cni-failure":                {host, 1, "without a runtime there is no network to set up"},
	"dns/name-not-found":              {sameUnit | unmade, 2, "the name has no address because the configuration names it wrongly, or its Service was never made"},
	"config/address-wrong":            {unmade, 1, "a Service that was refused is not there to be named"},
	"storage/mount-failed":            {sameUnit, 1, "a claim without a volume cannot be mounted"},
	"admission/rbac-forbidden":        {sameUnit, 1, "a missing account has no rights either"},
	"scheduling/insufficient-cpu":     {host, 1, "a node that is down has no room"},
	"scheduling/insufficient-memory":  {host, 1, "a node that is down has no room"},
	"scheduling/nodes-unwell":         {anyNode, 1, "the nodes that would take the pod are not well; what ails them is the root"},
	"scheduling/taint":                {host, 1, "a node that is down is tainted for it"},
}

// attach takes the hypotheses that a supported root brings about out of the
// list and tells them in the root's chain. hs is ranked, and stays so.
func attach(w *window.Window, hs []finding.Hypothesis, wrong []finding.Symptom) []finding.Hypothesis {
	roots := make([]int, len(hs))
	f := &lineage{w: w, hs: hs, wrong: wrong, needs: map[event.Key]map[event.Key]bool{}}
	for i := range hs {
		roots[i] = f.rootOf(i)
	}
	var out []finding.Hypothesis
	for i, h := range hs {
		if roots[i] != i {
			continue
		}
		for j := range hs {
			if j != i && roots[j] == i {
				h = join(h, hs[j])
			}
		}
		out = append(out, h)
	}
	return out
}

// lineage finds the roots among ranked hypotheses.
type lineage struct {
	w     *window.Window
	hs    []finding.Hypothesis
	wrong []finding.Symptom
	needs map[event.Key]map[event.Key]bool // by unit: what its pods need
}

// rootOf follows the best parent of each hypothesis upwards. Where the way
// leads in a circle (two that call each other), the best ranked of the circle
// is the root.
func (f *lineage) rootOf(i int) int {
	seen := []int{i}
	for {
		p, ok := f.parent(i)
		if !ok {
			return i
		}
		if at := slices.Index(seen, p); at >= 0 {
			return slices.Min(seen[at:])
		}
		seen = append(seen, p)
		i = p
	}
}

// parent is the best supported hypothesis that brings about the i-th.
func (f *lineage) parent(i int) (int, bool) {
	e, ok := effects[f.hs[i].Cause]
	if !ok {
		return 0, false
	}
	for j := range f.hs {
		if j != i && f.hs[j].Own() >= finding.Supported && f.bringsAbout(f.hs[j], f.hs[i], e) {
			return j, true
		}
	}
	return 0, false
}

// bringsAbout tells whether root can be behind b, whose cause is the effect e.
func (f *lineage) bringsAbout(root, b finding.Hypothesis, e effect) bool {
	if root.State == finding.Recovered && b.State != finding.Recovered {
		return false // what is over keeps nothing failing
	}
	mine, its := unit(f.w, b.Entity), unit(f.w, root.Entity)
	if e.of&sameUnit != 0 && mine == its && effects[root.Cause].depth < e.depth {
		return true
	}
	if mine == its {
		return false
	}
	pods := f.w.Graph.Pods(mine)
	at := place(f.w, root.Entity)
	if e.of&host != 0 && at.Type == event.Node && slices.ContainsFunc(pods, func(p event.Key) bool {
		n, ok := f.w.Graph.NodeOf(p)
		return ok && n == at
	}) {
		return true
	}
	if e.of&backend != 0 && mine.Type == event.Service && slices.ContainsFunc(pods, func(p event.Key) bool {
		return p == at || unit(f.w, p) == its
	}) {
		return true
	}
	if e.of&anyNode != 0 && at.Type == event.Node && root.Cause.Family() == "node" {
		return true
	}
	if e.of&unmade != 0 && root.Cause == quotaServices && f.w.Graph.Name(root.Entity).Name == f.w.Graph.Name(b.Entity).Namespace && !misnamed(b) {
		return true
	}
	if e.of&(backend|sameUnit) != 0 && f.ails(root, mine, pods) {
		return true
	}
	if e.of&callee != 0 && at.Type != event.Node && f.needsOf(mine, pods)[at] {
		return true
	}
	return slices.Contains(root.Affected, b.Entity) || slices.Contains(root.Affected, mine)
}

// quotaServices is the cause "no further Service may be made".
const quotaServices finding.Cause = "admission/quota-services"

// misnamed tells whether there is evidence that the address is a slip of the
// pen: then no refused Service would have helped.
func misnamed(h finding.Hypothesis) bool {
	return slices.ContainsFunc(h.For, func(s finding.Support) bool {
		return s.Weight == finding.RightIsNear || s.Weight == finding.NamedRightOnce || s.Weight == finding.OthersNameRight
	})
}

// ails tells whether root, which lies elsewhere (in a quota, a node, the control
// plane), accounts for what is wrong with the unit or with its pods.
func (f *lineage) ails(root finding.Hypothesis, mine event.Key, pods []event.Key) bool {
	units := map[event.Key]bool{mine: true}
	for _, p := range pods {
		units[unit(f.w, p)] = true
	}
	return slices.ContainsFunc(f.wrong, func(s finding.Symptom) bool {
		return s.Lasting && s.Sort != finding.CallsFailed && units[unit(f.w, s.Entity)] && accounts(root, s)
	})
}

func (f *lineage) needsOf(u event.Key, pods []event.Key) map[event.Key]bool {
	n, ok := f.needs[u]
	if !ok {
		n = dependencies(f.w, pods)
		f.needs[u] = n
	}
	return n
}

// join tells b as part of root's story: a link for what it shows, and its entity
// among those that suffer. Of its advice only the undoing of a change helps
// against the root, too.
func join(root, b finding.Hypothesis) finding.Hypothesis {
	mine, also := root, b
	root.Explains = func(s finding.Symptom) bool { return accounts(mine, s) || accounts(also, s) }
	if link, ok := effectLink(root, b); ok {
		root.Chain = append(slices.Clone(root.Chain), link)
	}
	root.Affected = slices.Clone(root.Affected)
	for _, k := range append([]event.Key{b.Entity}, b.Affected...) {
		if k != root.Entity && !slices.Contains(root.Affected, k) {
			root.Affected = append(root.Affected, k)
		}
	}
	root.Advice = slices.Clone(root.Advice)
	for _, a := range b.Advice {
		if b.Cause.Family() == "change" && !slices.Contains(root.Advice, a) {
			root.Advice = append(root.Advice, a)
		}
	}
	return root
}

// accounts is for hypotheses whose Explains was made explicit.
func accounts(h finding.Hypothesis, s finding.Symptom) bool {
	return h.Explains != nil && h.Explains(s)
}

// effectLink is b as a link of root's chain, which cites b's first evidence
// that root does not cite already.
func effectLink(root, b finding.Hypothesis) (finding.Link, bool) {
	cited := map[string]bool{}
	for _, l := range root.Chain {
		for _, e := range l.Evidence {
			cited[e.Key()] = true
		}
	}
	for _, s := range b.For {
		e := s.Evidence
		if cited[e.Key()] {
			continue
		}
		return finding.Link{
			From: root.Entity, To: b.Entity, Mechanism: finding.Interrupts, At: e.At, Trust: e.Trust,
			Sentence: e.Claim, Evidence: []finding.Evidence{e},
		}, true
	}
	return finding.Link{}, false
}
