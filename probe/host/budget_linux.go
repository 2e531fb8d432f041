package host

import "time"

// Budget lets a number of events pass in each second. It is for one goroutine
// at a time.
type Budget struct {
	PerSecond int
	second    int64
	passed    int
}

// Pass tells whether one more event fits into the second of now.
func (b *Budget) Pass(now time.Time) bool {
	if s := now.Unix(); s != b.second {
		b.second, b.passed = s, 0
	}
	b.passed++
	return b.passed <= b.PerSecond
}
