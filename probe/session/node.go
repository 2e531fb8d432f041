package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/wire"
)

// GapObserver is the Observer of gaps that concern a whole probe.
const GapObserver = wire.GapOfProbe

// Bounds of a conversation with a probe.
const (
	pingEvery    = 3 * time.Second
	helloBound   = 10 * time.Second // from Start to Hello: the probe loads its programs in between
	silenceBound = 6 * time.Second  // without a frame; a probe speaks every second
	dialBound    = 20 * time.Second // for a connection to a pod that runs, with its Hello
	resumeBound  = 16 * time.Second // for a connection after a break: by then the probe has ended itself
	maxBreaks    = 8                // of the stream, each soon after the last, before the probe is given up
	soon         = time.Second      // a connection that lives shorter has gained nothing
	firstPause   = 50 * time.Millisecond
	lastPause    = time.Second
	quickPings   = 4 // sent one after the other at first, for a good offset early
)

// node is the session's side of one probe.
type node struct {
	member
	session *Session
	source  wire.Source
	clock   clock

	last    uint64        // number of the last line that was passed on; it counts through all connections
	taken   atomic.Uint64 // the same, for the acks
	brokeAt time.Time     // zero on the first connection
	heardAt time.Time     // when anything came last
	kept    []wire.Frame  // mail behind the hello
}

// run speaks with the probe until the session ends or the probe is lost.
func (n *node) run(ctx context.Context) {
	for _, why := range n.hidden {
		n.gap(observers.Need{Type: observers.Feature, Name: "shared kernel"}, why)
	}
	if n.refused != nil {
		n.refuse(n.refused)
		return
	}
	dialCtx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		n.watch(ctx, giveUp)
	}()
	defer func() { <-watched }() // it may still be creating a Job
	breaks, pause := 0, time.Duration(0)
	for {
		conv, err := n.dial(dialCtx)
		if ctx.Err() != nil {
			if conv != nil {
				conv.close()
			}
			if !n.brokeAt.IsZero() {
				n.unheard()
			}
			return
		}
		if err != nil {
			if r, ok := errors.AsType[*launch.Refused](context.Cause(dialCtx)); ok {
				err = r // why the pod does not run says more than that it cannot be reached
			}
			n.refuse(launch.AsRefused(err))
			return
		}
		dialCtx = ctx
		if !n.brokeAt.IsZero() {
			n.session.plan.times.resumed(n.node.Node, time.Since(n.brokeAt))
		}
		began, had := time.Now(), n.last
		ended := n.converse(ctx, conv)
		conv.close()
		if ended {
			return
		}
		n.brokeAt = time.Now()
		if n.brokeAt.Sub(began) >= soon {
			breaks, pause = 0, 0
		}
		if n.last > had {
			breaks, pause = 0, min(pause, firstPause)
		}
		if breaks++; breaks > maxBreaks {
			n.refuse(&launch.Refused{
				Node: n.node.Node, Reason: launch.Lost, Ask: launch.AskAgain,
				What: fmt.Sprintf("the stream to the probe on %s broke %d times in a row", n.node.Node, breaks),
			})
			return
		}
		if !sleep(ctx, pause) { // the first attempt is made at once
			n.unheard()
			return
		}
		pause = min(max(2*pause, firstPause), lastPause)
	}
}

// sleep waits; false means that ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// watch waits for the pod to run while the stream is dialled, and ends the
// dialling when the pod cannot run, or runs and cannot be reached.
func (n *node) watch(ctx context.Context, giveUp context.CancelCauseFunc) {
	if err := n.probe.WaitRunning(ctx); err != nil {
		giveUp(err)
		return
	}
	n.session.plan.times.mark("pod running", n.node.Node)
	time.AfterFunc(dialBound, func() { giveUp(context.DeadlineExceeded) })
}

// dial connects and exchanges Start and Hello. A later dial is bounded by how
// long a probe bears a silent client, the first one by watch.
func (n *node) dial(ctx context.Context) (*conversation, error) {
	if !n.brokeAt.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, resumeBound)
		defer cancel()
	}
	var conv *conversation
	err := n.probe.Dial(ctx, func(conn io.ReadWriteCloser) error {
		c, err := newConversation(conn)
		if err != nil {
			return err
		}
		if err := n.greet(ctx, c); err != nil {
			c.close()
			return err
		}
		conv = c
		return nil
	})
	return conv, err
}

// greet sends Start and a ping and waits for Hello, whose frame is passed on.
func (n *node) greet(ctx context.Context, c *conversation) error {
	build := n.build
	if build == "" {
		build = n.session.plan.cfg.Build
	}
	ping := n.clock.ping(time.Now())
	err := c.send(
		wire.Frame{Start: &wire.Start{
			Protocol: wire.Protocol, Build: build, Token: n.session.plan.token, Node: n.node.Node,
			Observers: n.session.plan.cfg.Observers, Scope: wire.Scope{PodUIDs: n.node.PodUIDs},
			Session: n.session.plan.run, After: n.last,
		}},
		wire.Frame{Ping: &ping})
	if err != nil {
		return err
	}
	go c.read()
	bound := time.NewTimer(helloBound)
	defer bound.Stop()
	n.kept = nil
	for {
		for _, f := range n.unread(c) {
			if f.Hello == nil && f.Bye == nil {
				n.take(f) // a pong may come first
				continue
			}
			return n.welcome(f, build)
		}
		select {
		case <-c.mail.wake:
		case err := <-c.broken:
			c.broken <- err
			select {
			case <-c.mail.wake: // a bye came before the end
				continue
			default:
			}
			return err
		case <-bound.C:
			return n.rejected("the probe on %s does not answer", "")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unread takes the mail of a connection. What follows on the first hello stays
// for converse.
func (n *node) unread(c *conversation) []wire.Frame {
	mail := c.mail.take()
	for i, f := range mail {
		if f.Hello != nil {
			n.kept = mail[i+1:]
			return mail[:i+1]
		}
	}
	return mail
}

// welcome checks the probe's answer to Start.
func (n *node) welcome(f wire.Frame, build string) error {
	switch {
	case f.Bye != nil:
		return n.rejected("the probe on %s refuses this client", f.Bye.Reason)
	case f.Hello.Protocol != wire.Protocol || f.Hello.Build != build:
		return n.rejected("the probe on %s is of another build", f.Hello.Build)
	case f.Hello.Node != n.node.Node:
		return n.rejected("the probe of %s says it runs elsewhere", f.Hello.Node)
	}
	n.session.plan.times.mark("first frame", n.node.Node)
	n.anew(*f.Hello)
	n.take(f)
	return nil
}

// anew tells of a probe that does not go on where the stream broke.
func (n *node) anew(h wire.Hello) {
	if h.Resumed || n.brokeAt.IsZero() {
		return
	}
	n.last = 0
	n.taken.Store(0)
	n.gap(streamNeed(), fmt.Sprintf("the probe on %s began anew: nothing was seen for %s from %s",
		n.node.Node, time.Since(n.brokeAt).Round(100*time.Millisecond), n.brokeAt.UTC().Format("15:04:05 UTC")))
}

func (n *node) rejected(format, why string) *launch.Refused {
	return &launch.Refused{Node: n.node.Node, Reason: launch.Rejected, What: fmt.Sprintf(format, n.node.Node), Why: why}
}

// converse passes frames on until the session ends (true), the probe says bye
// (true), or the stream breaks (false).
func (n *node) converse(ctx context.Context, c *conversation) (ended bool) {
	speakDone, again := make(chan struct{}), make(chan struct{}, 1)
	defer close(speakDone)
	go c.speak(ctx, speakDone, func() wire.Ping { return n.clock.ping(time.Now()) }, again, n.taken.Load)
	silence := time.NewTimer(silenceBound)
	defer silence.Stop()
	quick := quickPings
	mail := n.kept
	n.kept = nil
	for {
		for _, f := range mail {
			if f.Pong != nil && quick > 0 {
				quick--
				select {
				case again <- struct{}{}:
				default: // the last one is still on its way
				}
			}
			n.take(f)
			if f.Bye != nil {
				n.bye(ctx, f.Bye.Reason)
				return true
			}
		}
		silence.Reset(silenceBound)
		select {
		case <-c.mail.wake:
			mail = c.mail.take()
			continue
		case <-c.broken: //nolint:errcheck // that it broke is enough to dial again
			if mail = c.mail.take(); len(mail) > 0 { // the last words come first
				c.broken <- nil
				continue
			}
		case <-silence.C:
		case <-n.session.hard.Done():
		}
		if ctx.Err() == nil {
			return false
		}
		n.unheard()
		return true
	}
}

// unheard tells of a probe whose last words did not arrive before the end.
func (n *node) unheard() {
	n.gap(streamNeed(), fmt.Sprintf("the last words of the probe on %s did not arrive: it was not heard since %s",
		n.node.Node, n.heardAt.UTC().Format("15:04:05 UTC")))
}

// bye tells of a probe that ended by itself.
func (n *node) bye(ctx context.Context, reason string) {
	if ctx.Err() == nil {
		n.refuse(&launch.Refused{
			Node: n.node.Node, Reason: launch.Lost, Why: reason, Ask: launch.AskAgain,
			What: fmt.Sprintf("the probe on %s ended", n.node.Node),
		})
	}
}

// take checks a frame's number, uses what concerns the session itself, and
// passes it on.
func (n *node) take(f wire.Frame) {
	n.heardAt = time.Now()
	if f.Seq != 0 {
		if f.Seq <= n.last {
			return // it came already, on an earlier connection
		}
		if missing := f.Seq - n.last - 1; missing > 0 && f.Lost == nil {
			n.gap(streamNeed(), fmt.Sprintf("%d lines of %s were lost on the way", missing, n.node.Node))
		}
	}
	if f.Pong != nil {
		if o, ok := n.clock.pong(*f.Pong, time.Now()); ok {
			n.session.setOffset(n.node.Node, o)
		}
	}
	if f.Event != nil {
		n.session.plan.times.mark("first kernel evidence", n.node.Node)
	}
	n.pass(f)
	if f.Seq != 0 {
		n.last = f.Seq
		n.taken.Store(f.Seq)
	}
}

// pass hands a frame to the reader of Frames, as long as anybody may read.
func (n *node) pass(f wire.Frame) {
	select {
	case n.session.frames <- wire.Sourced{Source: n.source, Frame: f}:
		return
	default:
	}
	select {
	case n.session.frames <- wire.Sourced{Source: n.source, Frame: f}:
	case <-n.session.hard.Done():
	}
}

func (n *node) gap(need observers.Need, why string) {
	n.pass(wire.Frame{Gap: &wire.Gap{Observer: GapObserver, Need: need, Why: why}})
}

// refuse tells that there is no probe on the node, or none any more.
func (n *node) refuse(r *launch.Refused) {
	need := observers.Need{Type: observers.Feature, Name: wire.WholeProbe + n.node.Node}
	if r.Reason == launch.NoRight {
		need.Type = observers.Verb
	}
	n.gap(need, r.Error())
}

func streamNeed() observers.Need {
	return observers.Need{Type: observers.Feature, Name: "an unbroken stream"}
}
