package theme

import "testing"

func TestStep(t *testing.T) {
	for _, tt := range []struct {
		key          string
		cursor, last int
		want         int
	}{
		{"j", 0, 2, 1}, {"down", 2, 2, 2}, {"k", 1, 2, 0}, {"up", 0, 2, 0}, {"g", 2, 2, 0}, {"G", 0, 2, 2},
		{"pgdown", 0, 30, 10}, {"ctrl+d", 25, 30, 30}, {"pgup", 5, 30, 0}, {"x", 1, 2, 1},
		{"x", 9, 2, 2}, {"j", 0, -1, 0}, {"x", -3, 2, 0},
	} {
		if got := Step(tt.key, tt.cursor, tt.last); got != tt.want {
			t.Errorf("Step(%q, %d, %d) = %d, want %d", tt.key, tt.cursor, tt.last, got, tt.want)
		}
	}
}

func TestReveal(t *testing.T) {
	for _, tt := range []struct{ top, from, to, height, want int }{
		{0, 0, 0, 5, 0}, {0, 5, 6, 5, 2}, {4, 1, 2, 5, 1}, {3, 4, 6, 5, 3}, {0, 2, 20, 5, 2},
	} {
		if got := Reveal(tt.top, tt.from, tt.to, tt.height); got != tt.want {
			t.Errorf("Reveal(%d, %d, %d, %d) = %d, want %d", tt.top, tt.from, tt.to, tt.height, got, tt.want)
		}
	}
}
