package correlate

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/past"
)

// mostPast bounds how many pods and containers the counters are told of: those
// of a single pod, or of the first pods of a larger target.
const mostPast = 2

// pastLines tell what the kernel counted since the target's pods were started,
// each with the time over which it counted.
func pastLines(w *window.Window) []string {
	var out []string
	for i, pod := range w.Target.Pods {
		if i == mostPast {
			break
		}
		label := ""
		if len(w.Target.Pods) > 1 {
			label = w.Graph.Label(pod) + ": "
		}
		if f, ok := w.Last(past.Network, pod); ok {
			if s := networkLine(f); s != "" {
				out = append(out, label+s)
			}
		}
		for j, c := range w.Graph.Containers(pod) {
			if j == mostPast {
				break
			}
			if s := cpuLine(w, c); s != "" {
				out = append(out, label+c.Leaf()+" "+s)
			}
		}
	}
	return out
}

// networkLine: the traffic in one number, and of the troubles those that are
// not zero; "" for a pod that never sent anything and met no trouble.
func networkLine(f window.Fact) string {
	n := func(x event.Field[int64]) int64 { return x.Or(f.Event, 0) }
	quiet := n(past.SegmentsOut) == 0
	out := fmt.Sprintf("in the %s since its sandbox started %d of %s sent again", words.Span(f.Span), n(past.Retransmitted), words.Count(n(past.SegmentsOut), "TCP segment"))
	for _, x := range []struct {
		count int64
		what  string
	}{
		{n(past.FailedAttempts), "connection attempt failed|connection attempts failed"},
		{n(past.ListenOverflows), "accept-queue overflow|accept-queue overflows"},
		{n(past.EstabResets), "connection reset|connections reset"},
		{n(past.UDPBufferErrors), "datagram dropped at a full buffer|datagrams dropped at a full buffer"},
		{n(past.UDPNoPorts), "datagram to a closed port|datagrams to closed ports"},
	} {
		if x.count > 0 {
			quiet = false
			out += ", " + plural(x.count, x.what)
		}
	}
	if quiet {
		return ""
	}
	return out
}

// plural picks the form of "one|many" and puts the number before it.
func plural(n int64, forms string) string {
	for i := range forms {
		if forms[i] == '|' {
			if n == 1 {
				return "1 " + forms[:i]
			}
			return fmt.Sprintf("%d %s", n, forms[i+1:])
		}
	}
	return fmt.Sprintf("%d %s", n, forms)
}

// A share of waiting below this, or of less time than that, says nothing.
const (
	minWaitShare = 0.01
	minRunnable  = 1e9 // ns
)

// cpuLine is what the processor denied a container: by its limit, or because
// others had it.
func cpuLine(w *window.Window, c event.Key) string {
	var out string
	if f, ok := w.Last(past.CPU, c); ok && past.Periods.Or(f.Event, 0) > 0 {
		out = fmt.Sprintf("was throttled in %d of %s since it started", past.Throttled.Or(f.Event, 0), words.Count(past.Periods.Or(f.Event, 0), "period"))
	}
	f, ok := w.Last(past.Tasks, c)
	if !ok {
		return out
	}
	add := func(s string) {
		if out != "" {
			out += ", "
		}
		out += s
	}
	ran, waited := past.Ran.Or(f.Event, 0), past.Waited.Or(f.Event, 0)
	if all := float64(ran + waited); all > minRunnable && float64(waited) >= minWaitShare*all {
		add(fmt.Sprintf("waited for a processor %.0f%% of the time it could have run", 100*float64(waited)/all))
	}
	if n := past.ForksFailed.Or(f.Event, 0); n > 0 {
		add(fmt.Sprintf("was refused %s at its limit of %d", words.Count(n, "new thread"), past.PIDsMax.Or(f.Event, 0)))
	}
	return out
}
