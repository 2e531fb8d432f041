package agent

import (
	"runtime"

	"github.com/yairfalse/tapio/observers"
	catalog "github.com/yairfalse/tapio/observers/catalog/node"
	"github.com/yairfalse/tapio/probe/host"
	"github.com/yairfalse/tapio/probe/wire"
)

// OpenNode opens the node this process runs on, with all observers of the
// catalog.
func OpenNode(start wire.Start) (*Machine, error) {
	h, err := host.Open(host.Config{Node: start.Node, PodUIDs: start.Scope.PodUIDs})
	if err != nil {
		return nil, err
	}
	m := &Machine{
		Node: h.Node(), BootID: h.BootID(), Kernel: h.Kernel(), Arch: runtime.GOARCH,
		Clock: h.Clock,
	}
	for _, e := range catalog.Entries {
		m.Observers = append(m.Observers, Entry{
			Spec: e.Spec,
			Open: func() (observers.Observer, error) { return e.Open(h) },
		})
	}
	return m, nil
}
