package config

import "testing"

func TestNear(t *testing.T) {
	names := []string{"redis", "postgres", "redis-queue", "api", "web", "payment-db", "orders"}
	tests := []struct{ name, want string }{
		{"rediss", "redis"},
		{"postgras", "postgres"},
		{"payment-bd", "payment-db"},
		{"postgresql", "postgres"},
		{"queue-redis", "redis-queue"},
		{"redis", "redis-queue"},
		{"ap", ""},
		{"apu", ""},
		{"kafka", ""},
		{"", ""},
		{"order", "orders"},
		{"db-payment", "payment-db"},
	}
	for _, tt := range tests {
		if got := Near(tt.name, names); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"redis", "redis", 0}, {"redis", "rdeis", 1}, {"redis", "radis", 1},
		{"redis", "redi", 1}, {"kitten", "sitting", 3},
	} {
		if got := Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := Distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q %q: %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}
