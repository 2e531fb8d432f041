package claims

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/routes"
)

func ofRoutes(f window.Fact, claim string) finding.Evidence {
	return finding.Evidence{
		Observer: routes.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// Astray says where a route leads and where it should.
func Astray(f window.Fact) finding.Evidence {
	e := f.Event
	route := routes.Path.Or(e, "")
	if name := routes.Route.Or(e, ""); name != "" {
		route = name + " (" + route + ")"
	}
	claim := fmt.Sprintf("route %s in %s leads to %s", route, routes.Via.Or(e, ""), routes.Target.Or(e, ""))
	switch routes.Problem.Or(e, "") {
	case routes.NoService:
		claim += ", and there is no such Service"
		if s := routes.Similar.Or(e, ""); s != "" {
			claim += "; there is " + s
		}
	case routes.NoPort:
		claim += ", a port that the Service does not have; it has " + routes.Ports.Or(e, "none")
	default:
		claim += ", not to " + f.Subject().Leaf()
	}
	return ofRoutes(f, claim)
}

// RoutePattern says how many sibling routes follow the pattern that one breaks.
func RoutePattern(f window.Fact) finding.Evidence {
	n, breaks := routes.Siblings.Or(f.Event, 0), routes.Breaks.Or(f.Event, 0)
	return ofRoutes(f, fmt.Sprintf("%s beside it lead to the Service that their name or path tells, %d do not", words.Count(n, "route"), breaks))
}

// RouteOrphan says that no route leads to the Service.
func RouteOrphan(f window.Fact) finding.Evidence {
	return ofRoutes(f, "no other route of it leads to "+f.Subject().Leaf())
}

// Denied says which calls network policies leave no way for.
func Denied(f window.Fact) finding.Evidence {
	e := f.Event
	port := ""
	if p := routes.Port.Or(e, 0); p > 0 {
		port = fmt.Sprintf(" to port %d", p)
	}
	policies := routes.Policies.Or(e, "")
	var claim string
	switch routes.Problem.Or(e, "") {
	case routes.Ingress:
		claim = fmt.Sprintf("network policy %s selects its pods and allows none of the calls of %s%s that name it", policies, words.Count(routes.Callers.Or(e, 0), "pod"), port)
	case routes.DNS:
		claim = fmt.Sprintf("network policy %s selects the pod and leaves no way out to port 53: it resolves no name", policies)
	default:
		peer, _ := f.Ref(event.Peer)
		claim = fmt.Sprintf("network policy %s selects the pod and allows no call%s of Service %s, which its configuration names", policies, port, peer.Leaf())
	}
	return ofRoutes(f, claim)
}

// PolicyNewer says that the policy came after the pods.
func PolicyNewer(f window.Fact) finding.Evidence {
	return ofRoutes(f, "the policy is younger than the pods")
}
