package claims

import (
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// Current lists the newest fact of each id among the facts of a kind, in order
// of time; facts that say of themselves that they are over are left out. Facts
// of one kind about one entity can be several: id tells them apart.
func Current(w *window.Window, kind event.Kind, over event.Field[bool], id func(event.Event) string) []window.Fact {
	type key struct {
		subject event.Key
		id      string
	}
	last := map[key]int{}
	facts := w.Of(kind)
	for i, f := range facts {
		last[key{f.Subject(), id(f.Event)}] = i
	}
	var out []window.Fact
	for i, f := range facts {
		if last[key{f.Subject(), id(f.Event)}] == i && !over.Or(f.Event, false) {
			out = append(out, f)
		}
	}
	return out
}
