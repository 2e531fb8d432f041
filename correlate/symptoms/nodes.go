package symptoms

import (
	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/nodes"
)

// ofNodes tells of nodes that hold the target and are not ready.
func ofNodes(w *window.Window) []finding.Symptom {
	var out []finding.Symptom
	for _, n := range Nodes(w) {
		f, ok := w.Last(nodes.State, n)
		ready := nodes.Ready.Or(f.Event, "True")
		if !ok || ready == "True" || nodes.Over.Or(f.Event, false) {
			continue
		}
		e := claims.Node(f)
		out = append(out, finding.Symptom{Sort: finding.NodeUnwell, Entity: n, At: f.At, Sentence: "node " + n.ID + ": " + e.Claim, Lasting: true, Evidence: e})
	}
	return out
}
