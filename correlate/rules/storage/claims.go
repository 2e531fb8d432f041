package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
	"github.com/yairfalse/tapio/observers/storage"
)

// unbound is a claim that keeps pods waiting, with everything that the newest
// look at it told.
type unbound struct {
	claim      event.Key
	fact       window.Fact
	groups     []window.Fact
	mismatches []window.Fact
	pods       []event.Key
}

// unbounds lists the claims that keep somebody waiting now, sorted.
func unbounds(w *window.Window) []unbound {
	var keys []event.Key
	for _, f := range w.Of(storage.Claim) {
		if !slices.Contains(keys, f.Subject()) {
			keys = append(keys, f.Subject())
		}
	}
	slices.SortFunc(keys, event.Key.Compare)
	var out []unbound
	for _, k := range keys {
		x := unbound{claim: k}
		round := int64(-1)
		for _, f := range w.About(storage.Claim, k) {
			if n := storage.Round.Or(f.Event, 0); n >= round {
				round, x.fact = n, f
			}
		}
		if storage.Settled.Or(x.fact.Event, false) {
			continue
		}
		for _, f := range w.About(storage.Candidate, k) {
			if storage.Round.Or(f.Event, 0) == round {
				x.groups = append(x.groups, f)
			}
		}
		for _, f := range w.About(storage.Mismatch, k) {
			if storage.Round.Or(f.Event, 0) == round {
				x.mismatches = append(x.mismatches, f)
			}
		}
		for _, r := range x.fact.Refs {
			if r.Role == event.Peer {
				x.pods = append(x.pods, r.Key)
			}
		}
		out = append(out, x)
	}
	return out
}

func (x unbound) text(f event.Field[string]) string { return f.Or(x.fact.Event, "") }

// missing tells whether the claim itself is not there.
func (x unbound) missing() bool { return x.text(storage.Phase) == "" }

// byHand tells whether volumes for the claim are made by people: else the
// volumes that happen to be there say nothing.
func (x unbound) byHand() bool {
	return !x.missing() && (x.text(storage.ClassIs) != storage.Dynamic || x.text(storage.VolumeName) != "")
}

// blame is a field that stands between the claim and a volume.
type blame struct {
	field   string
	volumes int64
	with    []string
	lesser  bool
}

// blames says which fields keep the claim from a volume: those in which the
// nearest volumes differ. A volume that another claim has is no candidate as
// long as a free one is as near.
func (x unbound) blames() []blame {
	if !x.byHand() {
		return nil
	}
	type candidate struct {
		fields []string
		n      int64
	}
	var all []candidate
	for _, g := range x.groups {
		all = append(all, candidate{strings.Split(storage.Against.Or(g.Event, ""), ","), storage.Volumes.Or(g.Event, 0)})
	}
	fewest := 0
	for _, c := range all {
		if fewest == 0 || len(c.fields) < fewest {
			fewest = len(c.fields)
		}
	}
	all = slices.DeleteFunc(all, func(c candidate) bool { return len(c.fields) != fewest })
	taken := func(c candidate) bool { return slices.Contains(c.fields, storage.Taken) }
	if slices.ContainsFunc(all, func(c candidate) bool { return !taken(c) }) {
		all = slices.DeleteFunc(all, taken)
	}
	var out []blame
	for _, c := range all {
		for _, f := range c.fields {
			with := slices.DeleteFunc(slices.Clone(c.fields), func(o string) bool { return o == f })
			if f == storage.Released {
				f = storage.Taken
			}
			if !slices.ContainsFunc(out, func(b blame) bool { return b.field == f }) {
				out = append(out, blame{field: f, volumes: c.n, with: with})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b blame) int { return cmp.Or(cmp.Compare(b.volumes, a.volumes), cmp.Compare(a.field, b.field)) })
	for i := range out {
		out[i].lesser = out[i].volumes < out[0].volumes
	}
	return out
}

// mismatch is the trial of a field; for a volume that is not free, whichever of
// the two ways there is.
func (x unbound) mismatch(field string) (window.Fact, bool) {
	names := []string{field}
	if field == storage.Taken {
		names = []string{storage.Released, storage.Taken}
	}
	for _, name := range names {
		for _, m := range x.mismatches {
			if storage.Field.Or(m.Event, "") == name {
				return m, true
			}
		}
	}
	return window.Fact{}, false
}

func evalField(k kind) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, x := range unbounds(w) {
			for _, b := range x.blames() {
				m, ok := x.mismatch(b.field)
				if b.field != k.field || !ok {
					continue
				}
				h := ofClaim(w, x, k.cause)
				e := claims.Mismatch(m)
				weight := finding.FieldAlone
				if len(b.with) > 0 {
					weight = finding.FieldTogether
				}
				h.For = append([]finding.Support{{Evidence: e, Weight: weight}}, h.For...)
				if b.lesser {
					h.Against = append(h.Against, finding.Support{Evidence: e, Weight: finding.FartherVolume})
				}
				h.Chain = append([]finding.Link{{From: x.claim, To: x.claim, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}, h.Chain...)
				h.Headline = fmt.Sprintf("%s has no volume: %s", subject(w, x), differs(m, b))
				h.RuledOut = otherFields(x, k.cause)
				h.Advice = fieldAdvice(w, x, m, b)
				out = append(out, h)
			}
			if k.cause == ClaimClass && len(x.blames()) == 0 && x.text(storage.ClassIs) == storage.ClassAbsent {
				out = append(out, classAbsent(w, x))
			}
		}
		return out
	}
}

// subject names the pod that waits with its claim: "redis-0: claim data".
func subject(w *window.Window, x unbound) string {
	claim := "claim " + x.claim.Leaf()
	if len(x.pods) == 0 {
		return claim
	}
	return w.Graph.Label(x.pods[0]) + " waits: its " + claim
}

func differs(m window.Fact, b blame) string {
	wants, has, example := storage.Wants.Or(m.Event, ""), storage.Has.Or(m.Event, ""), storage.Example.Or(m.Event, "")
	if has == "" {
		has = "none"
	}
	if wants == "" {
		wants = "none"
	}
	out := ""
	switch storage.Field.Or(m.Event, "") {
	case storage.Class:
		out = fmt.Sprintf("it asks for class %s, and %s, the nearest, has class %s", wants, example, has)
	case storage.Capacity:
		out = fmt.Sprintf("it asks for %s, and %s, the nearest, has %s", wants, example, has)
	case storage.AccessMode:
		out = fmt.Sprintf("it asks for access %s, and %s, the nearest, offers %s", wants, example, has)
	case storage.Select:
		out = fmt.Sprintf("it selects %s, and %s, the nearest, carries %s", wants, example, has)
	case storage.VolumeMode:
		out = fmt.Sprintf("it asks for mode %s, and %s, the nearest, has %s", wants, example, has)
	case storage.Taken:
		out = fmt.Sprintf("%s, which would do, is bound to %s", example, has)
	case storage.Released:
		out = fmt.Sprintf("%s, which would do, is still reserved for %s, which is gone", example, has)
	default:
		out = fmt.Sprintf("%s, which would do, is %s", example, has)
	}
	if len(b.with) > 0 {
		var more []string
		for _, f := range b.with {
			more = append(more, claims.FieldWord(f))
		}
		out += "; that alone would not do, it is also: " + strings.Join(more, ", ")
	}
	return out
}

// ofClaim is what every hypothesis about a claim has.
func ofClaim(w *window.Window, x unbound, cause finding.Cause) finding.Hypothesis {
	at := x.fact.At
	if s, ok := storage.Made.Get(x.fact.Event); ok {
		at = time.Unix(s, 0).UTC()
	}
	h := finding.Hypothesis{Cause: cause, Entity: x.claim, Since: at, State: finding.Failing}
	h.Now = "without a volume for " + words.Span(w.To.Sub(at).Truncate(time.Second))
	e := claims.VolumeClaim(x.fact)
	link := finding.Link{From: x.claim, To: x.claim, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
	if len(x.pods) > 0 {
		link.To = x.pods[0]
	}
	h.Chain = []finding.Link{link}
	for _, p := range x.pods {
		h.Affected = append(h.Affected, p)
		if wl, ok := w.Graph.WorkloadOf(p); ok && !slices.Contains(h.Affected, wl) {
			h.Affected = append(h.Affected, wl)
		}
		for _, f := range w.About(scheduling.Unplaced, p) {
			if scheduling.ParseWords(scheduling.Words.Or(f.Event, ""))[scheduling.Claim] > 0 {
				s := claims.SchedulerWords(f)
				h.For = append(h.For, finding.Support{Evidence: s, Weight: finding.BinderAgrees})
				h.Chain = append(h.Chain, finding.Link{From: x.claim, To: p, Mechanism: finding.Blocks, At: s.At, Trust: finding.API, Sentence: s.Claim, Evidence: []finding.Evidence{s}})
				break
			}
		}
	}
	if len(h.For) == 0 && x.text(storage.Told) == "FailedBinding" {
		h.For = []finding.Support{{Evidence: e, Weight: finding.BinderAgrees}}
	}
	h.For = h.For[:min(len(h.For), 1)]
	mine := slices.Clone(h.Affected)
	h.Explains = func(s finding.Symptom) bool {
		p, ok := w.Graph.PodOf(s.Entity)
		switch s.Sort {
		case finding.NotRunning, finding.Waits, finding.NotReady, finding.Short, finding.Unbound, finding.NoBackends:
			return s.Entity == x.claim || slices.Contains(mine, s.Entity) || ok && slices.Contains(mine, p)
		}
		return false
	}
	if n, ok := storage.Volumes.Get(x.fact.Event); ok {
		h.Survey = &finding.Survey{Of: "volumes", Total: int(n)}
		for _, g := range x.groups {
			var parts []string
			for f := range strings.SplitSeq(storage.Against.Or(g.Event, ""), ",") {
				parts = append(parts, claims.FieldWord(f))
			}
			h.Survey.Parts = append(h.Survey.Parts, fmt.Sprintf("%d %s", storage.Volumes.Or(g.Event, 0), strings.Join(parts, " and ")))
		}
	}
	for _, m := range x.mismatches {
		if x.byHand() {
			h.Alternatives = append(h.Alternatives, alternative(m))
		}
	}
	slices.SortStableFunc(h.Alternatives, func(a, b finding.Alternative) int {
		if a.Helps == b.Helps {
			return 0
		}
		if a.Helps {
			return -1
		}
		return 1
	})
	if u := x.text(storage.Unknown); u != "" {
		h.Absent = append(h.Absent, finding.Absent{What: u, Why: "they are not known: another volume or class may matter"})
	}
	return h
}

func alternative(m window.Fact) finding.Alternative {
	field, has := storage.Field.Or(m.Event, ""), storage.Has.Or(m.Event, "")
	change := map[string]string{
		storage.Class: "class " + has, storage.Capacity: "a request <= " + has, storage.AccessMode: "access " + has, storage.Select: "a selector that admits " + has,
		storage.VolumeMode: "volume mode " + has, storage.Taken: has + " gives its volume back", storage.Released: "clearing the claimRef of " + storage.Example.Or(m.Event, ""),
	}[field]
	if change == "" {
		change = claims.FieldWord(field)
	}
	if storage.Frees.Or(m.Event, 0) > 0 {
		return finding.Alternative{Change: change, Helps: true, Effect: "fits " + storage.Example.Or(m.Event, "")}
	}
	return finding.Alternative{Change: change, Effect: "the volumes differ in more"}
}

// otherFields are the causes of the other fields, with what speaks against
// each.
func otherFields(x unbound, own finding.Cause) []finding.Rival {
	var out []finding.Rival
	blamed := map[string]bool{}
	for _, b := range x.blames() {
		blamed[b.field] = true
	}
	for _, k := range kinds {
		if k.cause == own || blamed[k.field] {
			continue
		}
		m, ok := x.mismatch(k.field)
		if !ok {
			out = append(out, finding.Rival{Cause: k.cause, Why: "no volume differs in it", Evidence: []finding.Evidence{claims.VolumeClaim(x.fact)}})
			continue
		}
		e := claims.Mismatch(m)
		why := "the volumes that differ in it differ in more"
		if storage.Frees.Or(m.Event, 0) > 0 {
			why = "a free volume is as near"
		}
		out = append(out, finding.Rival{Cause: k.cause, Why: why, Evidence: []finding.Evidence{e}})
	}
	return out
}

// namesOf splits the key of a claim.
func namesOf(claim event.Key) (namespace, name string) {
	namespace, name, _ = strings.Cut(claim.ID, "/")
	return namespace, name
}

// fieldAdvice: a claim's spec cannot be changed, so it is made anew, or the
// volume is changed where that is harmless.
func fieldAdvice(_ *window.Window, x unbound, m window.Fact, b blame) []finding.Advice {
	ns, name := namesOf(x.claim)
	example := storage.Example.Or(m.Event, "")
	anew := finding.Advice{
		Command: fmt.Sprintf("kubectl -n %s get pvc %s -o yaml > %s.yaml && kubectl -n %s delete pvc %s", ns, name, name, ns, name), ChangesCluster: true,
		Expect: "a claim cannot be changed: apply it again with the field that fits " + example, Undo: fmt.Sprintf("kubectl apply -f %s.yaml", name),
	}
	switch storage.Field.Or(m.Event, "") {
	case storage.Released:
		return []finding.Advice{{
			Command: fmt.Sprintf(`kubectl patch pv %s -p '{"spec":{"claimRef":null}}'`, example), ChangesCluster: true,
			Expect: "the volume is free again, with the data that is on it",
			Undo:   fmt.Sprintf(`kubectl patch pv %s -p '{"spec":{"claimRef":{"namespace":"%s","name":"%s"}}}'`, example, before(storage.Holder.Or(m.Event, "")), after(storage.Holder.Or(m.Event, ""))),
		}}
	case storage.Taken:
		holder := storage.Holder.Or(m.Event, "")
		return []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s describe pvc %s", before(holder), after(holder)), Expect: "who uses the volume; one of the two needs a volume of its own"}}
	case storage.Select:
		if wants := storage.Wants.Or(m.Event, ""); example != "" && strings.Contains(wants, "=") && !strings.ContainsAny(wants, " !(") && len(b.with) == 0 {
			var keys []string
			for pair := range strings.SplitSeq(wants, ",") {
				keys = append(keys, before2(pair, "=")+"-")
			}
			return []finding.Advice{{
				Command: fmt.Sprintf("kubectl label pv %s %s", example, strings.ReplaceAll(wants, ",", " ")), ChangesCluster: true,
				Expect: "if the volume is really of this kind: the claim gets it", Undo: fmt.Sprintf("kubectl label pv %s %s", example, strings.Join(keys, " ")),
			}, anew}
		}
	}
	return []finding.Advice{anew}
}

func before(s string) string { return before2(s, "/") }

func before2(s, sep string) string {
	b, _, _ := strings.Cut(s, sep)
	return b
}

func after(s string) string {
	_, a, _ := strings.Cut(s, "/")
	return a
}

func classAbsent(w *window.Window, x unbound) finding.Hypothesis {
	h := ofClaim(w, x, ClaimClass)
	e := claims.VolumeClaim(x.fact)
	h.For = append([]finding.Support{{Evidence: e, Weight: finding.FieldAlone}}, h.For...)
	h.Headline = fmt.Sprintf("%s has no volume: there is no storage class %s", subject(w, x), x.text(storage.ClassName))
	h.Advice = []finding.Advice{{Command: "kubectl get storageclass", Expect: "which classes there are; the claim has to be made anew with one of them"}}
	return h
}

func evalClaimMissing(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, x := range unbounds(w) {
		if !x.missing() {
			continue
		}
		h := ofClaim(w, x, ClaimMissing)
		e := claims.VolumeClaim(x.fact)
		h.For = append([]finding.Support{{Evidence: e, Weight: finding.NothingToBind}}, h.For...)
		ns, name := namesOf(x.claim)
		h.Headline = fmt.Sprintf("%s is not there: namespace %s has no claim of this name", subject(w, x), ns)
		h.Now = "the claim does not exist"
		h.RuledOut = []finding.Rival{{Cause: ClaimClass, Why: "there is no claim to compare", Evidence: []finding.Evidence{e}}}
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get pvc", ns), Expect: "which claims there are; " + name + " may be misspelt or in another namespace"}}
		out = append(out, h)
	}
	return out
}

// evalNoVolume is for claims whose volumes people make, where there is none to
// compare.
func evalNoVolume(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, x := range unbounds(w) {
		is := x.text(storage.ClassIs)
		n, known := storage.Volumes.Get(x.fact.Event)
		if !x.byHand() || !known || n > 0 || is != storage.NoClass && is != storage.Static {
			continue
		}
		h := ofClaim(w, x, NoVolume)
		e := claims.VolumeClaim(x.fact)
		h.For = append([]finding.Support{{Evidence: e, Weight: finding.NothingToBind}}, h.For...)
		switch {
		case x.text(storage.VolumeName) != "":
			h.Headline = fmt.Sprintf("%s names volume %s, which does not exist", subject(w, x), x.text(storage.VolumeName))
		case is == storage.Static:
			h.Headline = fmt.Sprintf("%s has no volume: class %s makes none, and there is none", subject(w, x), x.text(storage.ClassName))
		default:
			h.Headline = fmt.Sprintf("%s has no volume: it asks for no class, and no volume is there", subject(w, x))
		}
		h.Advice = []finding.Advice{{Command: "kubectl get storageclass,pv", Expect: "which class the claim could name, or which volume has to be made"}}
		out = append(out, h)
	}
	return out
}

func evalProvisioning(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, x := range unbounds(w) {
		if x.text(storage.Told) != "ProvisioningFailed" || x.text(storage.ClassIs) != storage.Dynamic {
			continue
		}
		h := ofClaim(w, x, Provisioning)
		e := claims.VolumeClaim(x.fact)
		h.For = append([]finding.Support{{Evidence: e, Weight: finding.ProvisionerSays}}, h.For...)
		h.Headline = fmt.Sprintf("%s has no volume: %s could not make one", subject(w, x), x.text(storage.Provisioner))
		ns, name := namesOf(x.claim)
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s describe pvc %s", ns, name), Expect: "the provisioner's own message"}}
		out = append(out, h)
	}
	return out
}
