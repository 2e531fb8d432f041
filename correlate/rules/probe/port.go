package probe

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/health"
)

// evalPort proposes, for probes of one kind, that the probe asks a port or path
// at which nobody answers while the container listens elsewhere.
func evalPort(which string) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, p := range ills(w) {
			if p.which != which {
				continue
			}
			if h, ok := p.wrongPath(w); ok {
				out = append(out, h)
			}
			if h, ok := p.wrongPort(w); ok {
				out = append(out, h)
			}
		}
		return out
	}
}

// answers are the failures that something listening at the port gives.
var answers = []string{health.Status, health.Malformed, health.Plaintext, health.TLS, health.Unimplemented, health.Unhealthy}

func (p ill) wrongPort(w *window.Window) (finding.Hypothesis, bool) {
	port, wanted := p.get(health.Port), p.get(health.Wanted)
	unnamed := health.Unnamed.Or(p.probe.Event, false)
	moved := p.changed("port")
	if !unnamed && (port == 0 || wanted == 0 && !moved || p.get(health.Known) > 0 && !moved) {
		return finding.Hypothesis{}, false
	}
	lead := claims.ProbePort(p.probe)
	headline := fmt.Sprintf("%s %s because its %s", p.where(w), p.consequence(), lead.Claim)
	h := p.propose(w, p.cause("port"), headline, lead)
	h.For = []finding.Support{p.harm()}
	switch {
	case unnamed:
		h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbeUnnamed})
	case wanted > 0 && p.get(health.Known) == 0:
		h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbePortOther})
		if p.get(health.WantedN) > 1 {
			h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbePortAgreed})
		}
	}
	if moved {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeBefore(p.probe), Weight: finding.ProbeChanged})
	}
	if f, ok := p.failed(health.Refused); ok {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeRefused})
	} else if f, ok := p.failed(health.Timeouts); ok {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeNoAnswer})
	}
	if f, ok := p.failed(answers...); ok && !unnamed {
		h.Against = append(h.Against, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeAnswered})
	}
	if p.get(health.Known) > 0 {
		h.Against = append(h.Against, finding.Support{Evidence: lead, Weight: finding.ProbePortKnown})
	}
	if p.get(health.Elsewhere) > 0 {
		h.Against = append(h.Against, finding.Support{Evidence: claims.ProbeElsewhere(p.probe), Weight: finding.ProbePortAlike})
	}
	h.RuledOut = append(h.RuledOut, finding.Rival{Cause: p.cause("protocol"), Why: "the port is in question before what it speaks: " + lead.Claim, Evidence: []finding.Evidence{lead}})
	if p.which == health.Liveness {
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: TooEager, Why: "more time does not make the container listen there: " + lead.Claim, Evidence: []finding.Evidence{lead}})
	}
	h.Absent = []finding.Absent{{What: "which ports the container really listens on", Why: "the node was not looked at; the spec says what it should be"}}
	if wanted > 0 {
		h.Advice = []finding.Advice{p.edit(w, p.portPath(), fmt.Sprint(wanted), fmt.Sprintf("the probe asks port %d instead of %d", wanted, port), p.rollback(w))}
	}
	return h, true
}

// portPath is where a patch puts the port of the probe.
func (p ill) portPath() string {
	switch p.text(health.Method) {
	case health.GRPC:
		return `"grpc":{"port":%s}`
	case health.TCP:
		return `"tcpSocket":{"port":%s}`
	}
	return `"httpGet":{"port":%s}`
}

// wrongPath is about a server that answers and does not know the path.
func (p ill) wrongPath(w *window.Window) (finding.Hypothesis, bool) {
	f, ok := p.failed(health.Status)
	code := health.Code.Or(f.Event, 0)
	if !ok || code != 404 && code != 405 && code != 410 {
		return finding.Hypothesis{}, false
	}
	e := claims.ProbeFailed(f)
	headline := fmt.Sprintf("%s %s because its %s probe asks path %q, which the server answers with status %d", p.where(w), p.consequence(), p.which, p.text(health.Path), code)
	h := p.propose(w, p.cause("port"), headline, e)
	h.For = []finding.Support{p.harm(), {Evidence: e, Weight: finding.ProbeNotFound}}
	if p.changed("path") {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeBefore(p.probe), Weight: finding.ProbeChanged})
	}
	h.RuledOut = []finding.Rival{{Cause: p.cause("protocol"), Why: "the server answered in HTTP: " + e.Claim, Evidence: []finding.Evidence{e}}}
	n := w.Graph.Name(p.container)
	h.Advice = []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s logs %s -c %s", n.Namespace, n.Name, n.Container), Expect: "which paths the server knows, and that it answers the probe's with an error",
	}}
	return h, true
}
