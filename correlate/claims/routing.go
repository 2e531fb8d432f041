package claims

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

func ofServices(f window.Fact, claim string) finding.Evidence {
	return finding.Evidence{
		Observer: services.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// Unmatched says that a selector matches no pod, and what it would match.
func Unmatched(f window.Fact) finding.Evidence {
	e := f.Event
	claim := "selector " + services.Selector.Or(e, "") + " matches no pod"
	n := services.Near.Or(e, 0)
	switch carries := services.Carries.Or(e, ""); {
	case n == 0:
	case carries == "":
		claim += fmt.Sprintf("; %s (%d ready) lack the label %s", words.Count(n, "pod"), services.NearReady.Or(e, 0), services.Label.Or(e, ""))
	default:
		claim += fmt.Sprintf("; %s (%d ready) carry %s=%s", words.Count(n, "pod"), services.NearReady.Or(e, 0), services.Label.Or(e, ""), carries)
	}
	return ofServices(f, claim)
}

// Callers says how many pods name a Service; ok is false for none. f is a fact
// about the Service that counts them.
func Callers(f window.Fact) (finding.Evidence, bool) {
	n := services.Callers.Or(f.Event, 0)
	return ofServices(f, words.Count(n, "pod")+" of other workloads name the Service in their configuration"), n > 0
}

// BadPort says where a Service's port leads and where its pods listen.
func BadPort(f window.Fact) finding.Evidence {
	e := f.Event
	claim := fmt.Sprintf("port %d goes to targetPort %s", services.Port.Or(e, 0), services.Target.Or(e, ""))
	switch services.Problem.Or(e, "") {
	case services.BadName:
		claim += ", a name that no container behind it declares"
	case services.BadProtocol:
		return ofServices(f, fmt.Sprintf("%s by %s; the containers behind it listen there by %s", claim, services.Protocol.Or(e, ""), services.Speaks.Or(e, "")))
	case services.BadApplication:
		return ofServices(f, fmt.Sprintf("%s as %s; the readiness probe there passes in %s", claim, Protocol(services.Protocol.Or(e, "")), Protocol(services.Speaks.Or(e, ""))))
	default:
		claim += ", which no container behind it declares"
	}
	if wanted := services.Wanted.Or(e, 0); wanted > 0 {
		claim += fmt.Sprintf("; they listen on %d (%s)", wanted, services.WantedFrom.Or(e, ""))
	}
	return ofServices(f, claim)
}

// Foreign says that a Service selects pods which do not serve its port.
func Foreign(f window.Fact) finding.Evidence {
	e := f.Event
	owner, _ := f.Ref(event.Owner)
	claim := fmt.Sprintf("the selector also matches %s of %s, which do not listen on targetPort %s; %d others do",
		words.Count(services.Strangers.Or(e, 0), "ready pod"), owner.Leaf(), services.Target.Or(e, ""), services.Natives.Or(e, 0))
	if own := services.OwnService.Or(e, ""); own != "" {
		claim += "; these have a Service of their own, " + own
	}
	return ofServices(f, claim)
}

// NoLocal says that callers' nodes have no endpoint of a node-local Service.
func NoLocal(f window.Fact) finding.Evidence {
	e := f.Event
	nodes := 0
	for _, r := range f.Refs {
		if r.Role == event.Host {
			nodes++
		}
	}
	claim := fmt.Sprintf("%s is Local and %s with callers have none of its %s",
		services.Policy.Or(e, ""), words.Count(nodes, "node"), words.Count(services.ReadyBehind.Or(e, 0), "ready pod"))
	return ofServices(f, claim)
}
