package tape

import (
	"fmt"
	"testing"
	"time"
)

// A window keeps the recent lines, and of the older ones the newest word on
// each thing; it tells that something is gone.
func TestWindow(t *testing.T) {
	w := NewWindow(10 * time.Second)
	for _, l := range lines() {
		w.Add(l)
	}
	for s := 10; s <= 100; s += 5 {
		w.Add(podFact("uid-0001", s, s%10 == 0))
	}
	got := w.Lines()
	if w.Dropped() == 0 || got[0].Source.Name != "tape" || got[0].Frame.Gap == nil {
		t.Fatalf("the loss of %d lines is not told: %+v", w.Dropped(), got[0])
	}
	var pods, others int
	for _, l := range got[1:] {
		if l.Frame != nil && l.Frame.Event != nil {
			pods++
		} else {
			others++
		}
	}
	if pods != 4 || others != 5 { // 90, 95 and 100 s, the newest of the older; hello, align, gap, beat and bye
		t.Errorf("%d pod facts and %d others, want 4 and 5", pods, others)
	}
	for i := 2; i < len(got); i++ {
		if got[i].At.Before(got[i-1].At) {
			t.Errorf("line %d is older than the one before it", i)
		}
	}
}

func TestWindowIsBounded(t *testing.T) {
	w := NewWindow(time.Hour)
	for i := range maxRecent + maxStates + 500 {
		w.Add(podFact(fmt.Sprint("uid-", i), i/1000, true))
	}
	if w.Len() != maxRecent+maxStates || w.Dropped() != 500 {
		t.Errorf("%d lines kept, %d dropped", w.Len(), w.Dropped())
	}
	short := NewWindow(time.Hour)
	short.Add(podFact("a", 1, true))
	if len(short.Lines()) != 1 {
		t.Errorf("a window that dropped nothing says otherwise: %+v", short.Lines())
	}
}
