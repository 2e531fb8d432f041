package event

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestValueKeepsItsType(t *testing.T) {
	for name, v := range map[string]Value{
		"integer":           ValueOf(int64(42)),
		"largest":           ValueOf(int64(math.MaxInt64)),
		"smallest":          ValueOf(int64(math.MinInt64)),
		"float":             ValueOf(0.5),
		"whole float":       ValueOf(3.0),
		"large float":       ValueOf(1e300),
		"negative float":    ValueOf(-2.0),
		"text":              ValueOf("a\"b\n\x00é"),
		"text like number":  ValueOf("12"),
		"text like boolean": ValueOf("true"),
		"yes":               ValueOf(true),
		"no":                ValueOf(false),
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got Value
		if err := json.Unmarshal(b, &got); err != nil || got != v {
			t.Errorf("%s: %s came back as %s %v (%v)", name, b, got.Type(), got, err)
		}
	}
}

func TestValueRefuses(t *testing.T) {
	for _, v := range []Value{{}, ValueOf(math.NaN()), ValueOf(math.Inf(1))} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%v became %s", v, b)
		}
	}
	for _, s := range []string{"null", "{}", "[1]", "12345678901234567890", "1e999"} {
		var v Value
		if err := json.Unmarshal([]byte(s), &v); err == nil {
			t.Errorf("%s became %v", s, v)
		}
	}
}

func TestField(t *testing.T) {
	limit := Field[int64]{Name: "limit", Unit: Bytes, Doc: "the limit"}
	ratio := Field[float64]{Name: "limit"}
	var e Event
	if _, ok := limit.Get(e); ok || limit.Or(e, 7) != 7 {
		t.Error("an absent field has a value")
	}
	limit.Set(&e, 64)
	if v, ok := limit.Get(e); !ok || v != 64 {
		t.Errorf("limit is %d, %v", v, ok)
	}
	if v, ok := ratio.Get(e); ok || v != 0 {
		t.Errorf("an integer was read as the float %v", v)
	}
	if d := limit.Desc(); d != (FieldDesc{Name: "limit", Type: "int", Unit: Bytes, Doc: "the limit"}) {
		t.Errorf("description %+v", d)
	}
	if ds := Fields(limit, ratio); len(ds) != 2 || ds[1].Type != "float" {
		t.Errorf("descriptions %+v", ds)
	}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		key       Key
		pod, leaf string
		inPod     bool
	}{
		{CgroupKey("u1", "c1"), "u1", "c1", true},
		{CgroupKey("u1", ""), "u1", "u1", true},
		{Key{Cgroup, "/system.slice/kubelet.service"}, "", "kubelet.service", false},
		{Key{Cgroup, ""}, "", "", false},
		{ContainerKey("u1", "app"), "u1", "app", true},
		{PodKey("u1"), "u1", "u1", true},
		{WorkloadKey("Deployment", "shop", "api"), "", "api", false},
		{ServiceKey("shop", "api"), "", "api", false},
		{NodeKey("n1"), "", "n1", false},
		{Key{}, "", "", false},
	}
	for _, tt := range tests {
		if uid, ok := tt.key.PodUID(); uid != tt.pod || ok != tt.inPod {
			t.Errorf("%v: pod %q, %v", tt.key, uid, ok)
		}
		if got := tt.key.Leaf(); got != tt.leaf {
			t.Errorf("%v: leaf %q", tt.key, got)
		}
	}
	if PodKey("a").Compare(PodKey("b")) >= 0 || PodKey("a").Compare(NodeKey("a")) == 0 || !(Key{}).IsZero() {
		t.Error("keys do not order")
	}
}

func TestEvent(t *testing.T) {
	at := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	e := Event{Kind: "memory.oom_kill", At: at, Span: time.Second, Refs: []Ref{{Subject, PodKey("u")}, {Host, NodeKey("n")}}}
	if e.Kind.Observer() != "memory" || e.Subject() != PodKey("u") || e.Occurrences() != 1 || !e.End().Equal(at.Add(time.Second)) {
		t.Errorf("%+v", e)
	}
	if k, ok := e.Ref(Host); !ok || k != NodeKey("n") {
		t.Errorf("host %v, %v", k, ok)
	}
	if _, ok := e.Ref(Culprit); ok || !(Event{}).Subject().IsZero() {
		t.Error("an entity from nowhere")
	}
}

func FuzzValue(f *testing.F) {
	for _, s := range []string{"1", "-1.5", `"x"`, "true", "1e5", "", "nul", `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Value
		if json.Unmarshal(b, &v) != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%s was read and cannot be written: %v", b, err)
		}
		var w Value
		if err := json.Unmarshal(again, &w); err != nil || w != v {
			t.Fatalf("%s became %v, then %s became %v", b, v, again, w)
		}
	})
}
