package observertest

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

var (
	size = event.Field[int64]{Name: "size", Unit: event.Bytes, Doc: "how much"}
	name = event.Field[string]{Name: "name", Doc: "how called"}
	rate = event.Field[float64]{Name: "rate", Unit: event.Ratio, Doc: "how often"}
)

func demo() observers.Spec {
	return observers.Spec{
		Name: "demo", Side: observers.Node, Doc: "shows the contract",
		Emits:  []observers.Schema{{Kind: "demo.thing", Meaning: "a thing happened", Fields: event.Fields(size, name, rate)}},
		Needs:  []observers.Need{{Type: observers.Feature, Name: "a kernel"}},
		Budget: observers.Budget{EventsPerSecond: 1},
	}
}

func thing() event.Event {
	ev := event.Event{Kind: "demo.thing", At: time.Unix(5, 5), Refs: []event.Ref{
		{Role: event.Subject, Key: event.PodKey("u")}, {Role: event.Host, Key: event.NodeKey("n")},
	}}
	size.Set(&ev, 5)
	name.Set(&ev, "x")
	return ev
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		change func(*event.Event)
		want   string // part of the complaint; empty for none
	}{
		"good":                   {func(*event.Event) {}, ""},
		"no fields":              {func(ev *event.Event) { ev.Attrs = event.Attrs{} }, ""},
		"all of it":              {func(ev *event.Event) { rate.Set(ev, 1); ev.Span, ev.Count = time.Second, 9 }, ""},
		"with a monotonic clock": {func(ev *event.Event) { ev.At = time.Now() }, ""},
		"undeclared kind":        {func(ev *event.Event) { ev.Kind = "demo.other" }, "not declared"},
		"no kind":                {func(ev *event.Event) { ev.Kind = "" }, "not declared"},
		"undeclared field":       {func(ev *event.Event) { ev.Attrs["x"] = event.ValueOf(int64(1)) }, `field "x" is not declared`},
		"wrong type":             {func(ev *event.Event) { ev.Attrs["size"] = event.ValueOf("1") }, `of type "string"`},
		"empty value":            {func(ev *event.Event) { ev.Attrs["size"] = event.Value{} }, `of type ""`},
		"no references":          {func(ev *event.Event) { ev.Refs = nil }, "not the subject"},
		"subject not first":      {func(ev *event.Event) { ev.Refs[0], ev.Refs[1] = ev.Refs[1], ev.Refs[0] }, "not the subject"},
		"two subjects":           {func(ev *event.Event) { ev.Refs[1].Role = event.Subject }, "second subject"},
		"subject without id":     {func(ev *event.Event) { ev.Refs[0].Key.ID = "" }, "names nothing"},
		"peer without type":      {func(ev *event.Event) { ev.Refs[1].Key.Type = "" }, "names nothing"},
		"sequence number":        {func(ev *event.Event) { ev.Seq = 1 }, "sequence number"},
		"no time":                {func(ev *event.Event) { ev.At = time.Time{} }, "no time"},
		"negative span":          {func(ev *event.Event) { ev.Span = -1 }, "lasted"},
		"not UTF-8":              {func(ev *event.Event) { name.Set(ev, "\xff") }, "another event"},
		"not a number":           {func(ev *event.Event) { rate.Set(ev, math.NaN()) }, "no JSON form"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev := thing()
			tt.change(&ev)
			complaint(t, Check(demo(), ev), tt.want)
		})
	}
	stranger := demo()
	stranger.Name = "stranger"
	complaint(t, Check(stranger, thing()), "name of its observer")
}

func TestCheckSpec(t *testing.T) {
	tests := map[string]struct {
		change func(*observers.Spec)
		want   string
	}{
		"good":              {func(*observers.Spec) {}, ""},
		"no name":           {func(s *observers.Spec) { s.Name = "" }, "name"},
		"no description":    {func(s *observers.Spec) { s.Doc = "" }, "description"},
		"no side":           {func(s *observers.Spec) { s.Side = "" }, "side"},
		"nothing emitted":   {func(s *observers.Spec) { s.Emits = nil }, "nothing is emitted"},
		"kind twice":        {func(s *observers.Spec) { s.Emits = append(s.Emits, s.Emits[0]) }, "declared twice"},
		"kind of another":   {func(s *observers.Spec) { s.Emits[0].Kind = "other.thing" }, "does not begin"},
		"no meaning":        {func(s *observers.Spec) { s.Emits[0].Meaning = "" }, "no meaning"},
		"field twice":       {func(s *observers.Spec) { s.Emits[0].Fields = event.Fields(size, size) }, `field "size"`},
		"field without doc": {func(s *observers.Spec) { s.Emits[0].Fields = event.Fields(event.Field[bool]{Name: "b"}) }, `field "b"`},
		"need of nothing":   {func(s *observers.Spec) { s.Needs[0].Name = "" }, "need"},
		"no budget":         {func(s *observers.Spec) { s.Budget = observers.Budget{} }, "budget"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := demo()
			tt.change(&s)
			complaint(t, CheckSpec(s), tt.want)
		})
	}
}

func complaint(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("complains without reason: %v", err)
	case want != "" && err == nil:
		t.Errorf("does not complain, expected %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("complains %q, expected %q", err, want)
	}
}
