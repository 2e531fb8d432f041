package probe

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/health"
)

// evalProtocol proposes, for probes of one kind, that the probe speaks what the
// port does not.
func evalProtocol(which string) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, p := range ills(w) {
			if p.which != which {
				continue
			}
			if h, ok := p.wrongProtocol(w); ok {
				out = append(out, h)
			}
		}
		return out
	}
}

func (p ill) wrongProtocol(w *window.Window) (finding.Hypothesis, bool) {
	asks, speaks := p.text(health.Asks), p.text(health.Speaks)
	if asks == "" {
		return finding.Hypothesis{}, false
	}
	garbled, isGarbled := p.failed(health.Malformed, health.Plaintext, health.TLS)
	unserved, isUnserved := p.failed(health.Unimplemented)
	other := speaks != "" && speaks != asks
	if !isGarbled && !isUnserved && !other {
		return finding.Hypothesis{}, false
	}
	lead := claims.ProbeSpeech(p.probe)
	headline := fmt.Sprintf("%s %s because its %s", p.where(w), p.consequence(), lead.Claim)
	switch {
	case other:
	case isGarbled:
		headline += ", and " + claims.ProbeFailed(garbled).Claim
	default:
		headline += ", and " + claims.ProbeFailed(unserved).Claim
	}
	h := p.propose(w, p.cause("protocol"), headline, lead)
	h.For = []finding.Support{p.harm()}
	if other {
		h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbeSpeaksOther})
		if p.get(health.SpeaksN) > 1 {
			h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbePortAgreed})
		}
	}
	switch {
	case isGarbled:
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(garbled), Weight: finding.ProbeMalformed})
	case isUnserved:
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(unserved), Weight: finding.ProbeUnserved})
	default:
		if f, ok := p.failed(health.Timeouts, health.Reset); ok && asks == health.GRPC {
			h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeNoAnswer})
		}
	}
	if p.changed("method") {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeBefore(p.probe), Weight: finding.ProbeChanged})
	}
	if f, ok := p.failed(health.Status, health.Unhealthy, health.Refused); ok && !isGarbled {
		h.Against = append(h.Against, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeSpokenTo})
	}
	if p.get(health.Known) > 0 {
		e := claims.ProbePort(p.probe)
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: p.cause("port"), Why: e.Claim, Evidence: []finding.Evidence{e}})
	} else if isGarbled {
		e := claims.ProbeFailed(garbled)
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: p.cause("port"), Why: "something answers at the port: " + e.Claim, Evidence: []finding.Evidence{e}})
	}
	if speaks == health.GRPC {
		h.Advice = []finding.Advice{p.edit(w, `"httpGet":null,"grpc":{"port":%s}`, fmt.Sprint(p.get(health.Port)), "the probe speaks gRPC as the port does", p.rollback(w))}
	} else if speaks == health.HTTP {
		h.Advice = []finding.Advice{p.edit(w, `"grpc":null,"httpGet":{"path":"/","port":%s}`, fmt.Sprint(p.get(health.Port)), "the probe speaks HTTP as the port does; choose a path that the server knows", p.rollback(w))}
	}
	return h, true
}
