package tape

import (
	"maps"
	"regexp"
	"slices"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/probe/wire"
)

// Reasons under which a container's message was written by the runtime or the
// kubelet. Under every other one it is the program's termination message,
// which may be the end of its log (terminationMessagePolicy).
var theirs = []string{
	"StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError", "CreateContainerConfigError",
	"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName",
	"ContainerCreating", "PodInitializing", "ContainerStatusUnknown",
}

// Reasons under which the message of an Event object repeats what a probe's or
// a hook's command printed.
var quoting = []string{"Unhealthy", "ProbeWarning", "FailedPostStartHook", "FailedPreStopHook"}

// spoken is what may stay of such a message: which probe failed, and the
// kubelet's own words about how.
var spoken = regexp.MustCompile(`^(?:Liveness|Readiness|Startup) probe (?:failed|errored)(?:: HTTP probe failed with statuscode: [0-9]{3}$)?`)

// Clean takes out of a frame what a tape must not hold: text that a program
// under observation wrote. Live runs clean as well, so that a story never
// rests on what its tape lacks. The frame itself is left as it is.
func Clean(f wire.Frame) wire.Frame {
	if f.Event == nil {
		return f
	}
	message, ok := lifecycle.Message.Get(*f.Event)
	if !ok {
		return f
	}
	reason := lifecycle.Reason.Or(*f.Event, "")
	keep := message
	switch f.Event.Kind {
	case lifecycle.Container, lifecycle.Ended:
		if !slices.Contains(theirs, reason) {
			keep = ""
		}
	case lifecycle.Report:
		if slices.Contains(quoting, reason) {
			keep = spoken.FindString(message)
		}
	}
	if keep == message {
		return f
	}
	e := *f.Event
	e.Attrs = maps.Clone(e.Attrs)
	delete(e.Attrs, lifecycle.Message.Name)
	if keep != "" {
		e.Attrs[lifecycle.Message.Name] = event.ValueOf(keep)
	}
	f.Event = &e
	return f
}
