package claims

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// Backends is a Service with the pods its selector matches (services.selects).
func Backends(f window.Fact) finding.Evidence {
	pods := 0
	for _, r := range f.Refs {
		if r.Role == event.Peer {
			pods++
		}
	}
	claim := fmt.Sprintf("%d of the %d pods it selects ready", services.ReadyPods.Or(f.Event, 0), pods)
	if pods == 0 {
		claim = "selects no pod"
	}
	return finding.Evidence{
		Observer: services.Spec.Name, Kind: services.Selects, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}
