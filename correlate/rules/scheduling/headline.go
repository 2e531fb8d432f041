package scheduling

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// headline says what keeps the pod from a node, naming what it asks for and
// what the nodes have.
func headline(w *window.Window, x waiting, b blame) string {
	trial, _ := x.trial(b.constraint)
	out := fmt.Sprintf("%s cannot be placed: %s", w.Graph.Label(x.pod), reason(x, b, trial))
	if len(b.with) > 0 {
		var more []string
		for _, c := range b.with {
			more = append(more, claims.ConstraintWord(c))
		}
		out += "; that alone would not do, there is also: " + strings.Join(more, ", ")
	}
	return out
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func reason(x waiting, b blame, trial window.Fact) string {
	asks, lacks := scheduling.Asks.Or(trial.Event, ""), scheduling.Lacks.Or(trial.Event, "")
	node := nearest(trial)
	hosts := claims.Hosts(x.refusing(b), b.nodes)
	which := among(x, b)
	switch b.constraint {
	case scheduling.CPU, scheduling.Memory, scheduling.Ephemeral, scheduling.Device:
		return shortage(trial, b.constraint, which)
	case scheduling.PodCount:
		return fmt.Sprintf("every node%s runs as many pods as it takes (%d on %s)", which, scheduling.Largest.Or(trial.Event, 0), node)
	case scheduling.Selector:
		if lacks != "" && lacks != asks {
			return fmt.Sprintf("no node carries all of %s; %s lacks %s", asks, node, lacks)
		}
		return "no node carries " + asks
	case scheduling.Affinity:
		return "no node satisfies its node affinity (" + asks + ")"
	case scheduling.VolumeNode:
		return "its volume " + lacks + " can be reached from no node that it may use"
	case scheduling.Taint:
		return fmt.Sprintf("it does not tolerate the taint %s of %s%s", lacks, hosts, only(which))
	case scheduling.Condition:
		return fmt.Sprintf("%s%s %s unwell (%s)", hosts, only(which), plural(b.nodes, "is", "are"), lacks)
	case scheduling.Cordon:
		return fmt.Sprintf("%s%s %s cordoned", hosts, only(which), plural(b.nodes, "is", "are"))
	case scheduling.AntiAffinity:
		out := "pod anti-affinity (" + lacks + ") closes every node" + which
		if holder := scheduling.Holder.Or(trial.Event, ""); holder != "" {
			out += fmt.Sprintf("; %s holds %s", node, holder)
		}
		return out
	case scheduling.PodAffinity:
		return "no node" + which + " has the peer that its pod affinity asks for (" + lacks + ")"
	case scheduling.Spread:
		return "one pod more on any node" + which + " breaks its topology spread (" + lacks + ")"
	case scheduling.HostPort:
		out := fmt.Sprintf("port %s is taken on every node%s", lacks, which)
		if holder := scheduling.Holder.Or(trial.Event, ""); holder != "" {
			out += fmt.Sprintf(", on %s by %s", node, holder)
		}
		return out
	}
	return claims.ConstraintWord(b.constraint)
}

// shortage tells the request, and the most that is free or there at all.
func shortage(trial window.Fact, constraint, which string) string {
	what := map[string]string{scheduling.CPU: "CPU", scheduling.Memory: "memory", scheduling.Ephemeral: "local storage"}[constraint]
	if what == "" {
		what = scheduling.Resource.Or(trial.Event, "a device")
	}
	need, free, largest := scheduling.Request.Or(trial.Event, 0), scheduling.Free.Or(trial.Event, 0), scheduling.Largest.Or(trial.Event, 0)
	asks := fmt.Sprintf("it asks for %s %s", claims.Amount(constraint, need), what)
	switch {
	case largest == 0:
		return fmt.Sprintf("%s, and no node%s offers any", asks, which)
	case need > largest:
		return fmt.Sprintf("%s, and the largest node has %s", asks, claims.Amount(constraint, largest))
	}
	return fmt.Sprintf("%s, and no node%s has more than %s free", asks, which, claims.Amount(constraint, free))
}

// among says to which nodes the pod's wishes narrow the choice, when they
// exclude some: " with disk=ssd".
func among(x waiting, b blame) string {
	for _, c := range []string{scheduling.VolumeNode, scheduling.Selector, scheduling.Affinity} {
		trial, ok := x.trial(c)
		if !ok || c == b.constraint || !x.excludes(c) {
			continue
		}
		switch c {
		case scheduling.VolumeNode:
			return " that its volume can be reached from"
		case scheduling.Selector:
			return " with " + scheduling.Asks.Or(trial.Event, "")
		case scheduling.Affinity:
			return " within its node affinity"
		}
	}
	return ""
}

// only turns " with disk=ssd" into ", the only one with disk=ssd".
func only(which string) string {
	if which == "" {
		return ""
	}
	return ", all there is" + which + ","
}

// excludes tells whether a wish excludes nodes that count.
func (x waiting) excludes(constraint string) bool {
	for _, g := range x.groups {
		if scheduling.Usual.Or(g.Event, false) && hasAny(strings.Split(scheduling.Against.Or(g.Event, ""), ","), []string{constraint}) {
			return true
		}
	}
	return false
}

// refusing is the group of nodes that counts against which the blame stands
// with nothing but what goes with it.
func (x waiting) refusing(b blame) window.Fact {
	for _, g := range x.groups {
		against := strings.Split(scheduling.Against.Or(g.Event, ""), ",")
		if scheduling.Usual.Or(g.Event, false) && len(against) == len(b.with)+1 && hasAny(against, []string{b.constraint}) {
			return g
		}
	}
	return window.Fact{}
}

func nearest(trial window.Fact) string {
	n, _ := trial.Ref(event.Host)
	return n.ID
}
