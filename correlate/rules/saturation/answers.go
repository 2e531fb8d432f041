package saturation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
)

// The causes that a database's own answer names.
const (
	DBConnections finding.Cause = "saturation/db-connections"
	DBReadOnly    finding.Cause = "saturation/db-read-only"
	DBAuth        finding.Cause = "saturation/db-auth"
)

// fresh is how long ago an answer may lie to count as one of now.
const fresh = 2 * time.Minute

// answer is what clients heard of one server, or what a server says itself.
type answer struct {
	at      event.Key // the server's Service, else the container whose log tells
	clients []window.Fact
	server  []window.Fact
}

// answers groups what logs tell by the server that it is about.
func answers(w *window.Window, what string) []answer {
	byPlace := map[event.Key]*answer{}
	get := func(k event.Key) *answer {
		if byPlace[k] == nil {
			byPlace[k] = &answer{at: k}
		}
		return byPlace[k]
	}
	for _, f := range w.Of(logs.Failure) {
		if logs.What.Or(f.Event, "") != what || w.To.Sub(f.End()) > fresh {
			continue
		}
		place := f.Subject()
		if peer, ok := f.Ref(event.Peer); ok {
			place = peer
		}
		a := get(place)
		a.clients = append(a.clients, f)
	}
	for _, f := range w.Of(logs.Trouble) {
		if logs.What.Or(f.Event, "") != what || w.To.Sub(f.End()) > fresh {
			continue
		}
		pod, _ := w.Graph.PodOf(f.Subject())
		place := f.Subject()
		for _, svc := range w.Graph.Services(pod) {
			if byPlace[svc] != nil { // clients complain of this very pod's Service
				place = svc
			}
		}
		a := get(place)
		if place == f.Subject() {
			a.clients = append(a.clients, f)
			continue
		}
		a.server = append(a.server, f)
	}
	var out []answer
	for _, a := range byPlace {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b answer) int { return a.at.Compare(b.at) })
	return out
}

// eval proposes the cause at the server that gives the answer. Whom a login is
// refused is the client's matter, so that cause is at the client.
func eval(cause finding.Cause, what string) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, a := range answers(w, what) {
			if len(a.clients) == 0 {
				continue
			}
			out = append(out, propose(w, cause, a))
		}
		return out
	}
}

func propose(w *window.Window, cause finding.Cause, a answer) finding.Hypothesis {
	first := a.clients[0]
	e := evidence(first)
	entity := a.at
	if cause == DBAuth {
		entity = first.Subject()
	}
	h := finding.Hypothesis{Cause: cause, Entity: entity, Since: first.At, State: finding.Failing, Now: "last answer so " + words.Span(w.To.Sub(first.End()).Truncate(time.Second)) + " ago"}
	h.For = []finding.Support{{Evidence: e, Weight: finding.PeerAnswers}}
	callers := map[event.Key]bool{}
	for _, f := range a.clients {
		if wl, ok := w.Graph.WorkloadOf(f.Subject()); ok {
			callers[wl] = true
		}
		h.Affected = append(h.Affected, f.Subject())
	}
	if len(callers) > 1 {
		h.For = append(h.For, finding.Support{Evidence: evidence(a.clients[len(a.clients)-1]), Weight: finding.SeveralClients})
	} else if cause != DBAuth && otherClients(w, a.at, callers) {
		h.Against = append(h.Against, finding.Support{Evidence: e, Weight: finding.OneClient})
	}
	if len(a.server) > 0 {
		h.For = append(h.For, finding.Support{Evidence: evidence(a.server[0]), Weight: finding.ServerSays})
	}
	h.Headline = headline(w, cause, a, len(callers))
	h.Chain = []finding.Link{{From: a.at, To: first.Subject(), Mechanism: finding.Fails, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: all(a)}}
	h.RuledOut = []finding.Rival{{Cause: "network/refused", Why: "the server answers, in its own protocol", Evidence: []finding.Evidence{e}}}
	h.Absent = []finding.Absent{{What: "the server's own state", Why: "only what was answered is known, from logs"}}
	n := w.Graph.Name(first.Subject())
	h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s logs %s -c %s --tail=50", n.Namespace, n.Name, n.Container), Expect: "the server's answer in full"}}
	h.Explains = explains(w, a)
	return h
}

func evidence(f window.Fact) finding.Evidence {
	if f.Kind == logs.Failure {
		return claims.Complaint(f)
	}
	return claims.Trouble(f)
}

func all(a answer) []finding.Evidence {
	var out []finding.Evidence
	for _, f := range slices.Concat(a.clients, a.server) {
		out = append(out, evidence(f))
	}
	return out
}

// otherClients tells whether pods of other workloads name the same Service.
func otherClients(w *window.Window, svc event.Key, told map[event.Key]bool) bool {
	for _, p := range w.Graph.Pods(svc) {
		for _, caller := range w.Graph.Callers(p) {
			if wl, ok := w.Graph.WorkloadOf(caller); ok && !told[wl] {
				return true
			}
		}
	}
	return false
}

func headline(w *window.Window, cause finding.Cause, a answer, callers int) string {
	server := "its database"
	if a.at.Type != event.Container {
		server = w.Graph.Label(a.at)
	}
	first := a.clients[0]
	who := w.Graph.Label(first.Subject())
	if callers > 1 {
		who += " and " + words.Count(callers-1, "other workload")
	}
	switch cause {
	case DBConnections:
		return fmt.Sprintf("%s has no connection left for %s", server, who)
	case DBReadOnly:
		return fmt.Sprintf("%s takes no writes from %s: it is read-only", server, who)
	}
	return fmt.Sprintf("%s refuses the login of %s", strings.TrimSpace(server), who)
}

// explains: the complaints themselves, and what is wrong with those that
// complain.
func explains(w *window.Window, a answer) func(finding.Symptom) bool {
	keys := map[string]bool{}
	mine := map[event.Key]bool{}
	for _, f := range a.clients {
		keys[evidence(f).Key()] = true
		mine[f.Subject()] = true
		if pod, ok := w.Graph.PodOf(f.Subject()); ok {
			mine[pod] = true
		}
		if wl, ok := w.Graph.WorkloadOf(f.Subject()); ok {
			mine[wl] = true
		}
	}
	return func(s finding.Symptom) bool {
		if s.Sort == finding.CallsFailed {
			return keys[s.Evidence.Key()]
		}
		return mine[s.Entity]
	}
}
