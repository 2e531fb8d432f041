package claims

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/nodes"
)

// Node is a node's Ready condition (node.state).
func Node(f window.Fact) finding.Evidence {
	e := ofNode(f)
	e.Claim = "Ready is " + nodes.Ready.Or(f.Event, "not told")
	if nodes.Ready.Or(f.Event, "") != "True" {
		if m := nodes.Message.Or(f.Event, ""); m != "" {
			e.Claim += ": " + clip(m)
		} else if r := nodes.Reason.Or(f.Event, ""); r != "" {
			e.Claim += ": " + r
		}
	}
	return e
}

// Lease is a node's lease that has gone stale, or that is fresh (node.state).
func Lease(f window.Fact, now time.Time) finding.Evidence {
	e := ofNode(f)
	if renewed, ok := nodes.Renewed.Get(f.Event); ok {
		at := unix(renewed)
		e.At = at
		e.Claim = fmt.Sprintf("kubelet last renewed its lease at %s, %s ago", words.At(at, now), words.Span(now.Sub(at).Truncate(time.Second)))
		return e
	}
	e.Claim = "kubelet renews its lease"
	return e
}

// Sandboxes are the failures to make a pod's sandbox on a node (node.state).
func Sandboxes(f window.Fact, now time.Time) finding.Evidence {
	e := ofNode(f)
	last := unix(nodes.SandboxLast.Or(f.Event, 0))
	if !last.IsZero() {
		e.At = last
	}
	e.Claim = fmt.Sprintf("%s to make a pod's sandbox, last at %s", words.Count(nodes.Sandboxes.Or(f.Event, 0), "failed attempt"), words.At(last, now))
	if text := nodes.SandboxText.Or(f.Event, ""); text != "" {
		e.Claim += ": " + clip(text)
	}
	return e
}

// OnNode is how the target's pods on a node do (node.state).
func OnNode(f window.Fact) finding.Evidence {
	e := ofNode(f)
	e.Claim = fmt.Sprintf("%d of %s on it not ready", nodes.Unready.Or(f.Event, 0), words.Count(nodes.Pods.Or(f.Event, 0), "pod"))
	return e
}

// Component is a component that is not ready on a node (node.component).
func Component(f window.Fact) finding.Evidence {
	e := ofNode(f)
	what := "is not ready"
	if nodes.Missing.Or(f.Event, false) {
		what = "has no pod"
	} else if t := nodes.Trouble.Or(f.Event, ""); t != "" {
		what += " (" + t + ")"
	}
	e.Claim = fmt.Sprintf("%s %s on it, and is ready on %s", nodes.Name.Or(f.Event, "a component"), what, words.Count(nodes.Well.Or(f.Event, 0), "other node"))
	return e
}

// Device is a device that a node has lost (node.device).
func Device(f window.Fact) finding.Evidence {
	e := ofNode(f)
	e.Claim = fmt.Sprintf("%d of %d %s can be given to pods", nodes.Allocatable.Or(f.Event, 0), nodes.Capacity.Or(f.Event, 0), nodes.Name.Or(f.Event, "devices"))
	return e
}

// Ignored is an object that no controller acts on (node.ignored).
func Ignored(f window.Fact, now time.Time) finding.Evidence {
	e := ofNode(f)
	e.Claim = fmt.Sprintf("generation %d has been wanted for %s, its controller has acted on %d", nodes.Generation.Or(f.Event, 0),
		words.Span(now.Sub(f.At).Truncate(time.Second)), nodes.Observed.Or(f.Event, 0))
	return e
}

// Manager is the controller manager that is not at work (node.manager).
func Manager(f window.Fact, now time.Time) finding.Evidence {
	e := ofNode(f)
	e.Claim = "kube-controller-manager"
	if down := nodes.Down.Or(f.Event, ""); down != "" {
		e.Claim += " does not run (" + down + ")"
	}
	if renewed, ok := nodes.Renewed.Get(f.Event); ok {
		at := unix(renewed)
		if nodes.Down.Or(f.Event, "") != "" {
			e.Claim += " and"
		}
		e.Claim += " last renewed its lease at " + words.At(at, now)
	}
	return e
}

func ofNode(f window.Fact) finding.Evidence {
	return finding.Evidence{Observer: nodes.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API}
}

// maxClaim bounds how much of somebody else's words a claim repeats, in bytes.
const maxClaim = 160

func clip(s string) string {
	if len(s) > maxClaim {
		return s[:maxClaim] + "..."
	}
	return s
}
