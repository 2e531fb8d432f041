package words

import (
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0", 100: "100", 1024: "1Ki", 1536: "1.5Ki", 64 << 20: "64Mi", 64<<20 - 4096: "64Mi", 63<<20 + 943718: "63.9Mi",
		1 << 30: "1Gi", 3 << 29: "1.5Gi", 512 << 20: "512Mi", -(8 << 20): "-8Mi", 1 << 60: "1024Pi",
	} {
		if got := Bytes(in); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		used, limit int64
		want        string
	}{
		{64 << 20, 64 << 20, "64/64Mi"}, {512 << 10, 64 << 20, "512Ki/64Mi"}, {1 << 30, 2 << 30, "1/2Gi"}, {5, 10, "5/10"},
	} {
		if got := Of(tt.used, tt.limit); got != tt.want {
			t.Errorf("Of(%d, %d) = %q, want %q", tt.used, tt.limit, got, tt.want)
		}
	}
}

func TestRate(t *testing.T) {
	for in, want := range map[float64]string{
		8.1 * (1 << 20) / 60: "+8.1Mi/min", 2 << 20: "+2Mi/s", -(1 << 20): "-1Mi/s", 0: "+0/min", 1024: "+60Ki/min",
	} {
		if got := Rate(in); got != want {
			t.Errorf("Rate(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0ms", 850 * time.Millisecond: "850ms", 2500 * time.Millisecond: "2.5s", 9 * time.Second: "9s", 59 * time.Second: "59s",
		2*time.Minute + 30*time.Second: "2m30s", 4 * time.Minute: "4m", 61 * time.Minute: "1h1m", 3 * time.Hour: "3h",
		50 * time.Hour: "2d", -2 * time.Second: "-2s", 45 * time.Minute: "45m",
	} {
		if got := Span(in); got != want {
			t.Errorf("Span(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestAt(t *testing.T) {
	now := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	for in, want := range map[time.Time]string{
		now.Add(-time.Minute): "13:59:00 UTC", now.Add(-24 * time.Hour): "02-28 14:00:00 UTC",
		now.In(time.FixedZone("X", 3600)): "14:00:00 UTC",
	} {
		if got := At(in, now); got != want {
			t.Errorf("At(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestCounting(t *testing.T) {
	if got := Count(1, "restart") + " " + Count(2, "restart") + " " + Times(1) + " " + Times(2) + " " + Times(3); got != "1 restart 2 restarts once twice 3 times" {
		t.Error(got)
	}
	if got := List([]string{"a", "b", "c"}, 2); got != "a, b and 1 more" {
		t.Error(got)
	}
	if got := List([]string{"a"}, 2); got != "a" {
		t.Error(got)
	}
}
