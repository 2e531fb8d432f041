package launch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reason classes why there is no probe on a node.
type Reason string

// The reasons, from what says least about the cluster to what says most: of
// several refusals the later one is told.
const (
	Unreachable Reason = "unreachable"  // the API server does not answer
	NoRight     Reason = "no-right"     // the user may not do what is needed
	NoCarrier   Reason = "no-carrier"   // no image on the node can carry the probe
	NoPayload   Reason = "no-payload"   // this build has no probe for the node's architecture
	BadNode     Reason = "node"         // the node cannot run a probe
	Conflict    Reason = "other"        // any other answer of the API server
	Webhook     Reason = "webhook"      // an admission webhook or policy said no
	Quota       Reason = "quota"        // a quota or a limit said no
	PodSecurity Reason = "pod-security" // the namespace's Pod Security level said no
	ImageDenied Reason = "image"        // the kubelet did not start any image
	NotStarted  Reason = "not-started"  // the pod was made but did not come to run
	Lost        Reason = "lost"         // the probe ran and is gone
	Rejected    Reason = "rejected"     // the probe would not serve this client
)

// tells orders the reasons as they are listed.
func (r Reason) tells() int {
	return slices.Index([]Reason{
		Unreachable, NoRight, NoCarrier, NoPayload, BadNode, Conflict, Webhook, Quota, PodSecurity,
	}, r)
}

// Refused is why there is no probe on a node: never a failure of the run, whose
// story is then told without it.
type Refused struct {
	Node   string // metadata.name; "" when it holds for every node
	Reason Reason
	What   string // the fact, as one clause
	Why    string // what the cluster said, cleaned; may be empty
	Ask    string // what to do about it or to ask for; may be empty
	Err    error  // the error behind it, if any
}

// MaxSentence is the longest sentence that is shown, in characters.
const MaxSentence = 120

// Error is one sentence of at most 120 characters: what, why if it fits, and
// what to do.
func (r *Refused) Error() string { return r.Within(MaxSentence) }

// Within is the sentence in at most that many characters.
func (r *Refused) Within(most int) string {
	what := clean(r.What)
	ask := ""
	if r.Ask != "" {
		ask = "; " + r.Ask
	}
	if r.Why != "" {
		room := most - runes(what) - runes(ask) - len(" ()")
		why := clean(r.Why)
		if runes(why) <= room {
			return what + " (" + why + ")" + ask
		}
		if room >= 24 {
			return what + " (" + cut(why, room) + ")" + ask
		}
	}
	if runes(what)+runes(ask) > most {
		if room := most - runes(ask); room >= 40 {
			return cut(what, room) + ask
		}
		return cut(what, most)
	}
	return what + ask
}

// Unwrap returns the error behind the refusal.
func (r *Refused) Unwrap() error { return r.Err }

// On returns the refusal as one of the given node.
func (r *Refused) On(node string) *Refused {
	c := *r
	c.Node = node
	return &c
}

// AsRefused finds the refusal in err, or makes one of it.
func AsRefused(err error) *Refused {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*Refused](err); ok {
		return r
	}
	return &Refused{Reason: Conflict, What: err.Error(), Err: err}
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// clean makes one printable line of a text that came from a cluster.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.TrimRight(strings.Join(strings.Fields(s), " "), ". ")
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if runes(s) <= n {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:max(n-3, 0)]), " ,;:(") + "..."
}

// The ways on that sentences offer.
const (
	askGrant     = "ask for that right, or pass --probe-namespace"
	askImage     = "pass --probe-image"
	askNamespace = "try --probe-namespace"
	askPriority  = "try --priority-class=system-node-critical"
)

// AskAgain is the way on when a probe was lost.
const AskAgain = "run it again"

func noRight(verb, resource, namespace string) *Refused {
	return &Refused{
		Reason: NoRight, Ask: askGrant,
		What: fmt.Sprintf("no right to %s %s in %s", verb, resource, namespace),
	}
}
