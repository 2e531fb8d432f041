package finding

import "testing"

func TestTableIsOfDisjointBlocks(t *testing.T) {
	n := 0
	for _, b := range blocks {
		n += len(b)
		for w, e := range b {
			if e.Reason == "" || e.LogOdds == 0 {
				t.Errorf("%s has no size or no reason", w)
			}
		}
	}
	if n != len(Table) {
		t.Errorf("the blocks hold %d weights, the table %d: one stands in two blocks", n, len(Table))
	}
}
