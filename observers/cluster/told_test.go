package cluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/observers/event"
)

func TestTold(t *testing.T) {
	n := event.Field[int64]{Name: "n"}
	over := event.Field[bool]{Name: "over"}
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fact := func(v int64, at time.Time) event.Event {
		e := event.Event{Kind: "x.y", At: at, Refs: []event.Ref{{Role: event.Subject, Key: event.NodeKey("n1")}}}
		n.Set(&e, v)
		return e
	}
	var told Told
	var got []string
	emit := func(e event.Event) {
		line := e.At.Format("05")
		line += " " + e.Attrs["n"].String()
		if over.Or(e, false) {
			line += " over"
		}
		got = append(got, line)
	}
	look := func(sec int, facts map[string]event.Event) {
		now := t0.Add(time.Duration(sec) * time.Second)
		told.Begin()
		for _, id := range []string{"a", "b"} {
			if e, ok := facts[id]; ok {
				told.Tell(id, e, now, emit)
			}
		}
		told.End(over, now, emit)
	}
	look(1, map[string]event.Event{"a": fact(1, t0)})
	look(2, map[string]event.Event{"a": fact(1, t0), "b": fact(7, t0.Add(time.Second))})
	look(3, map[string]event.Event{"a": fact(2, t0), "b": fact(7, t0.Add(time.Second))})
	look(4, map[string]event.Event{"b": fact(8, t0.Add(3*time.Second))})
	look(5, nil)
	look(6, map[string]event.Event{"a": fact(2, t0)})
	want := []string{"00 1", "01 7", "03 2", "03 8", "04 2 over", "05 8 over", "00 2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
