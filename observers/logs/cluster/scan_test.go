package cluster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/observers/logs"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func stamped(d time.Duration, text string) string {
	return noon.Add(d).Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text + "\n"
}

const refusedLine = "dial tcp 10.96.0.12:6379: connect: connection refused"

func TestScan(t *testing.T) {
	redis := Complaint{What: logs.Refused, Target: "10.96.0.12:6379"}
	tests := []struct {
		name, in string
		from     cursor
		want     []string // "what target first-last xN", seconds after noon
		to       cursor
	}{
		{"groups by what and target", stamped(0, refusedLine) + stamped(time.Second, "fine") +
			stamped(2*time.Second, `Get "http://api:8080/": EOF`) + stamped(3*time.Second, refusedLine),
			cursor{}, []string{"refused 10.96.0.12:6379 0-3 x2", "closed api:8080 2-2 x1"}, cursor{noon.Add(3 * time.Second), 1}},
		{"passes over what was read", stamped(0, refusedLine) + stamped(time.Second, refusedLine),
			cursor{noon, 1}, []string{"refused 10.96.0.12:6379 1-1 x1"}, cursor{noon.Add(time.Second), 1}},
		{"counts lines of one instant", stamped(0, refusedLine) + stamped(0, refusedLine) + stamped(0, refusedLine),
			cursor{noon, 2}, []string{"refused 10.96.0.12:6379 0-0 x1"}, cursor{noon, 3}},
		{"nothing new", stamped(0, refusedLine), cursor{noon, 1}, nil, cursor{noon, 1}},
		{"second line names the peer", stamped(0, "could not connect to server: Connection refused (os error 111)") +
			stamped(0, "\tIs the server running on host \"db\" (10.1.1.1) and accepting"),
			cursor{}, []string{"refused db 0-0 x1"}, cursor{noon, 2}},
		{"next line is another matter", stamped(0, "ConnectionRefusedError: [Errno 111] Connection refused") + stamped(time.Second, "bye"),
			cursor{}, []string{"refused  0-0 x1"}, cursor{noon.Add(time.Second), 1}},
		{"a trace repeats its head", stamped(0, "Connect to api:8080 [api/10.1.1.1] failed: Connection refused") +
			stamped(0, "Caused by: java.net.ConnectException: Connection refused"),
			cursor{}, []string{"refused api:8080 0-0 x1"}, cursor{noon, 2}},
		{"without timestamps", refusedLine + "\n" + refusedLine + "\n", cursor{}, []string{"refused 10.96.0.12:6379 60-60 x2"}, cursor{}},
		{"empty", "", cursor{}, nil, cursor{}},
		{"broken bytes", "\x00\xff\x1b[2J\n\n\n \n2025-13-45T99:99:99Z x\n", cursor{}, nil, cursor{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			groups, to, whole, err := scan(strings.NewReader(tt.in), tt.from, noon.Add(time.Minute))
			if err != nil || !whole {
				t.Fatalf("whole %v, error %v", whole, err)
			}
			var got []string
			for _, g := range groups {
				got = append(got, fmt.Sprintf("%s %s %d-%d x%d", g.What, g.Target, int(g.first.Sub(noon).Seconds()), int(g.last.Sub(noon).Seconds()), g.count))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if !to.at.Equal(tt.to.at) || to.seen != tt.to.seen {
				t.Errorf("cursor %v, want %v", to, tt.to)
			}
		})
	}
	if got, _, _, _ := scan(strings.NewReader(stamped(0, refusedLine)), cursor{}, noon); len(got) != 1 || got[0].Complaint != redis {
		t.Errorf("got %+v", got)
	}
}

func TestScanCutAndBroken(t *testing.T) {
	cut := stamped(0, refusedLine) + "2025-03-01T12:00:01Z dial tcp 10.96.0.12:63"
	groups, _, whole, err := scan(strings.NewReader(cut), cursor{}, noon)
	if err != nil || whole || len(groups) != 1 || groups[0].count != 1 {
		t.Errorf("a cut line counted: %+v whole %v error %v", groups, whole, err)
	}
	boom := errors.New("stream broke")
	_, _, _, err = scan(io.MultiReader(strings.NewReader(stamped(0, refusedLine)), iotest.ErrReader(boom)), cursor{}, noon)
	if !errors.Is(err, boom) {
		t.Errorf("got error %v, want the stream's", err)
	}
}

func TestScanIsBounded(t *testing.T) {
	long := stamped(0, strings.Repeat("x", 1<<20)+" "+refusedLine) + stamped(time.Second, refusedLine)
	groups, _, _, err := scan(strings.NewReader(long), cursor{}, noon)
	if err != nil || len(groups) != 1 || groups[0].count != 1 {
		t.Errorf("got %+v, %v: only the start of a long line counts", groups, err)
	}
	var many strings.Builder
	for i := range 5 * maxGroups {
		many.WriteString(stamped(0, fmt.Sprintf("dial tcp 10.0.%d.%d:80: connect: connection refused", i/250, i%250)))
	}
	groups, _, _, err = scan(strings.NewReader(many.String()), cursor{}, noon)
	if err != nil || len(groups) != maxGroups {
		t.Errorf("%d groups, error %v, want %d", len(groups), err, maxGroups)
	}
}

func FuzzScan(f *testing.F) {
	f.Add(stamped(0, refusedLine)+stamped(0, refusedLine), 3)
	f.Add("2025-03-01T12:00:00Z could not connect to server: Connection refused\n2025-03-01T12:00:00Z \tIs the server running on host \"", 1)
	f.Fuzz(func(t *testing.T, in string, seen int) {
		from := cursor{noon, seen}
		groups, to, _, err := scan(strings.NewReader(in), from, noon)
		if err != nil {
			t.Fatal(err)
		}
		lines, total := strings.Count(in, "\n"), 0
		for _, g := range groups {
			total += int(g.count)
			if g.last.Before(g.first) || !plain(g.Target) {
				t.Errorf("bad group %+v", g)
			}
		}
		if total > lines {
			t.Errorf("%d complaints in %d lines", total, lines)
		}
		if to.at.Before(from.at) {
			t.Error("the cursor went back")
		}
		if again, _, _, _ := scan(strings.NewReader(in), to, noon); seen >= 0 {
			for _, g := range again {
				// Only lines without a timestamp, or out of order, can come again.
				if g.first.Before(to.at) && !g.first.Equal(noon) {
					t.Errorf("told again: %+v", g)
				}
			}
		}
	})
}
