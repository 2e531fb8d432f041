// Package wire is what probe and plugin say to each other, and what a tape
// holds: frames, their limits, and how they become bytes. FORMAT.md describes
// the format for readers in other languages.
package wire

import (
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Protocol is the version of the frames. Plugin and probe must agree on it;
// within one version changes only add.
const Protocol = 2

// Frame is one message. Exactly one of the pointers is set; a frame of a kind
// this build does not know has none and is passed over. What the probe must not
// lose silently (gap, event, lost) carries a sequence number, which counts from
// 1 through the whole session, across its connections; a lost frame accounts
// for every number that is missing before it, and for its own.
type Frame struct {
	Seq uint64 `json:"seq,omitempty"`

	// From the probe.
	Hello *Hello       `json:"hello,omitempty"`
	Gap   *Gap         `json:"gap,omitempty"`
	Event *event.Event `json:"event,omitempty"`
	Beat  *Beat        `json:"beat,omitempty"`
	Pong  *Pong        `json:"pong,omitempty"`
	Bye   *Bye         `json:"bye,omitempty"`
	Lost  *Lost        `json:"lost,omitempty"`

	// From the plugin.
	Start *Start `json:"start,omitempty"`
	Ping  *Ping  `json:"ping,omitempty"`
	Stop  *Stop  `json:"stop,omitempty"`
	Ack   *Ack   `json:"ack,omitempty"`
}

// Start is the first frame of the plugin on a connection. Until it arrives with
// the right token the probe says nothing. A start with the session of the
// connection before goes on with it: the observers never noticed the break.
type Start struct {
	Protocol  int      `json:"protocol"`
	Build     string   `json:"build"`
	Token     string   `json:"token"`
	Node      string   `json:"node"`                // metadata.name of the node the probe runs on
	Observers []string `json:"observers,omitempty"` // names; none means all
	Scope     Scope    `json:"scope"`
	Session   string   `json:"session"`         // chosen by the plugin, the same for all connections of a run
	After     uint64   `json:"after,omitempty"` // resume: the last number that the plugin has
}

// Scope is what the run is about.
type Scope struct {
	PodUIDs []string `json:"podUIDs,omitempty"` // none means every pod of the node
}

// Hello answers Start. Specs that do not fit into one frame follow at once in
// further hellos (see Split).
type Hello struct {
	Protocol int              `json:"protocol"`
	Build    string           `json:"build"`
	Node     string           `json:"node"`
	BootID   string           `json:"bootID"`
	Kernel   string           `json:"kernel"`
	Arch     string           `json:"arch"`
	Specs    []observers.Spec `json:"specs"`
	Clock    Clock            `json:"clock"`
	// Resumed is whether the session goes on where an earlier connection broke:
	// then the specs, which that one had, are left out.
	Resumed bool `json:"resumed,omitempty"`
}

// Clock reads both clocks of a node at one moment.
type Clock struct {
	Wall time.Time     `json:"wall"`
	Boot time.Duration `json:"boot"` // since boot, suspend included (CLOCK_BOOTTIME), ns
}

// Gap says that something cannot be seen, and why. Need is empty when the
// reason is none of the observer's needs, for example that it failed.
type Gap struct {
	Observer string         `json:"observer"`
	Need     observers.Need `json:"need"`
	Why      string         `json:"why"`
}

// GapOfProbe is the Observer of gaps that concern a whole probe, and WholeProbe
// begins the name of the need when there is none, or none any more.
const (
	GapOfProbe = "probe"
	WholeProbe = "a probe on node "
)

// Ends tells whether the gap says that there is no probe on its node, or none
// any more.
func (g Gap) Ends() bool {
	return g.Observer == GapOfProbe && strings.HasPrefix(g.Need.Name, WholeProbe)
}

// Beat shows that the probe lives, what it costs and what it lost.
type Beat struct {
	Clock     Clock                      `json:"clock"`
	Observers map[string]observers.Stats `json:"observers"`
	Dropped   uint64                     `json:"dropped"` // events the probe itself had to drop, but for those a lost frame tells of
	CPU       time.Duration              `json:"cpu"`     // CPU time of the probe process so far, ns
	RSS       uint64                     `json:"rss"`     // resident bytes of the probe process
}

// Lost tells of events that the probe had to drop because the stream was away,
// or took them too slowly, for longer than the spool holds.
type Lost struct {
	Events    uint64            `json:"events"`
	From      time.Time         `json:"from"`                // when the earliest of them happened
	To        time.Time         `json:"to"`                  // when the latest of them happened
	Observers map[string]uint64 `json:"observers,omitempty"` // events by observer
}

// Ack says that the plugin has everything up to a number; the probe need not
// keep it any longer.
type Ack struct {
	Seq uint64 `json:"seq"`
}

// Ping asks for a Pong; the probe ends itself when none comes for a while.
type Ping struct {
	Sent time.Time `json:"sent"`
}

// Pong returns the ping's stamp with the probe's own, from which the plugin
// bounds the offset between the clocks.
type Pong struct {
	Echo     time.Time `json:"echo"`
	Received time.Time `json:"received"`
	Sent     time.Time `json:"sent"`
}

// Stop ends the run; the probe answers with its last Beat and Bye.
type Stop struct{}

// Bye is the last frame of a probe.
type Bye struct {
	Reason string `json:"reason"`
}

// Source tells where frames came from.
type Source struct {
	Name string         `json:"name"` // "node/NAME" or "api"
	Side observers.Side `json:"side"`
}

// Sourced is a frame with its source, as the stages behind the stream pass it.
type Sourced struct {
	Source Source `json:"source"`
	Frame
}
