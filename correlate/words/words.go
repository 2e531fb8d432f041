// Package words turns quantities into the forms that sentences use. Numbers in
// a story are computed from facts and pass through here, so that the same
// quantity always reads the same.
package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes renders a size with binary units as Kubernetes writes them: "64Mi",
// "1.5Gi", "512Ki", "100" for less than a Ki. Two significant digits after the
// unit's own suffice, and a whole number has no point.
func Bytes(n int64) string {
	if n < 0 {
		return "-" + Bytes(-n)
	}
	units := []string{"", "Ki", "Mi", "Gi", "Ti", "Pi"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	prec := 1
	if f >= 100 {
		prec = 0
	}
	s := strconv.FormatFloat(f, 'f', prec, 64)
	return strings.TrimSuffix(s, ".0") + units[i]
}

// Of renders "used/limit" in the unit of the limit: "63.9/64Mi".
func Of(used, limit int64) string {
	u, l := Bytes(used), Bytes(limit)
	if unit := strings.TrimLeft(l, "0123456789."); unit != "" && strings.HasSuffix(u, unit) {
		u = strings.TrimSuffix(u, unit)
	}
	return u + "/" + l
}

// Rate renders bytes a second as the largest fitting "per" so that the number
// is readable: "+8.1Mi/min", "+2.0Mi/s".
func Rate(bytesPerSecond float64) string {
	sign := "+"
	if bytesPerSecond < 0 {
		sign = "-"
	}
	abs := math.Abs(bytesPerSecond)
	if abs >= 1<<20 {
		return sign + Bytes(int64(math.Round(abs))) + "/s"
	}
	return sign + Bytes(int64(math.Round(abs*60))) + "/min"
}

// Span renders a duration in at most two units: "850ms", "9s", "2m30s", "4m",
// "3h5m", "2d".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Second:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + "ms"
	case d < time.Minute:
		if d < 10*time.Second {
			return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + "s"
		}
		return strconv.Itoa(int(math.Round(d.Seconds()))) + "s"
	case d < 10*time.Minute:
		return pair(int(d/time.Minute), "m", int(d%time.Minute/time.Second), "s")
	case d < time.Hour:
		return strconv.Itoa(int(math.Round(d.Minutes()))) + "m"
	case d < 48*time.Hour:
		return pair(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "m")
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

func pair(a int, au string, b int, bu string) string {
	if b == 0 {
		return strconv.Itoa(a) + au
	}
	return strconv.Itoa(a) + au + strconv.Itoa(b) + bu
}

// Clock renders the time of day in UTC: "14:02:07".
func Clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// At renders a moment as seen from now: the time of day, with the date when it
// is another day: "14:02:07 UTC", "11-22 14:02:07 UTC".
func At(t, now time.Time) string {
	if t.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return Clock(t) + " UTC"
	}
	return t.UTC().Format("01-02 15:04:05") + " UTC"
}

// Times renders how often: "once", "twice", "3 times".
func Times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// Count renders a number with its noun: "1 restart", "2 restarts".
func Count[N int | int64 | uint32 | uint64](n N, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// List joins at most limit items and says how many more there are.
func List(items []string, limit int) string {
	if len(items) > limit {
		return strings.Join(items[:limit], ", ") + fmt.Sprintf(" and %d more", len(items)-limit)
	}
	return strings.Join(items, ", ")
}
