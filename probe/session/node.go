package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/wire"
)

// GapObserver is the Observer of gaps that concern a whole probe.
const GapObserver = "probe"

// Bounds of a conversation with a probe.
const (
	pingEvery    = 3 * time.Second
	helloBound   = 10 * time.Second // from Start to Hello: the probe loads its programs in between
	silenceBound = 6 * time.Second  // without a frame; a probe speaks every second
	dialBound    = 20 * time.Second // for a connection to a pod that runs, with its Hello
	maxBreaks    = 5                // of the stream, each soon after the last, before the probe is given up
	quickPings   = 4                // sent one after the other at first, for a good offset early
)

// node is the session's side of one probe.
type node struct {
	member
	session *Session
	source  wire.Source
	clock   clock

	last    uint64 // sequence number of the last frame of this connection
	brokeAt time.Time
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
	breaks := 0
	for {
		conv, err := n.dial(dialCtx)
		if ctx.Err() != nil {
			if conv != nil {
				conv.close()
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
			n.gap(streamNeed(), fmt.Sprintf("nothing was seen on %s for %s from %s: the stream broke",
				n.node.Node, time.Since(n.brokeAt).Round(100*time.Millisecond), n.brokeAt.UTC().Format("15:04:05 UTC")))
		}
		began := time.Now()
		ended := n.converse(ctx, conv)
		conv.close()
		if ended {
			return
		}
		n.brokeAt = time.Now()
		if n.brokeAt.Sub(began) > silenceBound {
			breaks = 0
		}
		if breaks++; breaks > maxBreaks {
			n.refuse(&launch.Refused{
				Node: n.node.Node, Reason: launch.Lost,
				What: fmt.Sprintf("the stream to the probe on %s broke %d times in a row", n.node.Node, breaks),
			})
			return
		}
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

// dial connects and exchanges Start and Hello. A later dial is bounded by the
// probe's patience, the first one by watch.
func (n *node) dial(ctx context.Context) (*conversation, error) {
	if !n.brokeAt.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialBound)
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
		}},
		wire.Frame{Ping: &ping})
	if err != nil {
		return err
	}
	go c.read()
	bound := time.NewTimer(helloBound)
	defer bound.Stop()
	n.last = 0
	for {
		select {
		case f := <-c.incoming:
			switch {
			case f.Bye != nil:
				return n.rejected("the probe on %s refuses this client", f.Bye.Reason)
			case f.Hello == nil:
				n.take(f) // a pong may come first
				continue
			case f.Hello.Protocol != wire.Protocol || f.Hello.Build != build:
				return n.rejected("the probe on %s is of another build", f.Hello.Build)
			case f.Hello.Node != n.node.Node:
				return n.rejected("the probe of %s says it runs elsewhere", f.Hello.Node)
			}
			n.session.plan.times.mark("first frame", n.node.Node)
			n.take(f)
			return nil
		case err := <-c.broken:
			return err
		case <-bound.C:
			return n.rejected("the probe on %s does not answer", "")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *node) rejected(format, why string) *launch.Refused {
	return &launch.Refused{Node: n.node.Node, Reason: launch.Rejected, What: fmt.Sprintf(format, n.node.Node), Why: why}
}

// converse passes frames on until the session ends (true), the probe says bye
// (true), or the stream breaks (false).
func (n *node) converse(ctx context.Context, c *conversation) (ended bool) {
	speakDone := make(chan struct{})
	pings := make(chan wire.Ping, 1)
	defer close(speakDone)
	go c.speak(ctx, speakDone, pings)
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	silence := time.NewTimer(silenceBound)
	defer silence.Stop()
	quick := quickPings
	send := func() {
		select {
		case pings <- n.clock.ping(time.Now()):
		default: // the last one is still on its way
		}
	}
	for {
		select {
		case f := <-c.incoming:
			if f.Pong != nil && quick > 0 {
				quick--
				send()
			}
			n.take(f)
			if f.Bye != nil {
				n.bye(ctx, f.Bye.Reason)
				return true
			}
			silence.Reset(silenceBound)
		case <-tick.C:
			send()
		case <-c.broken: //nolint:errcheck // that it broke is enough to dial again
			return ctx.Err() != nil
		case <-silence.C:
			return ctx.Err() != nil
		case <-n.session.hard.Done():
			return true
		}
	}
}

// bye tells of a probe that ended by itself.
func (n *node) bye(ctx context.Context, reason string) {
	if ctx.Err() == nil {
		n.refuse(&launch.Refused{
			Node: n.node.Node, Reason: launch.Lost, Why: reason,
			What: fmt.Sprintf("the probe on %s ended", n.node.Node),
		})
	}
}

// take checks a frame's number, uses what concerns the session itself, and
// passes it on.
func (n *node) take(f wire.Frame) {
	if f.Seq != 0 {
		if f.Seq <= n.last {
			return // a repeat
		}
		if missing := f.Seq - n.last - 1; missing > 0 {
			n.gap(streamNeed(), fmt.Sprintf("%d frames of %s were lost on the way", missing, n.node.Node))
		}
		n.last = f.Seq
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
}

// pass hands a frame to the reader of Frames, as long as anybody may read.
func (n *node) pass(f wire.Frame) {
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
	need := observers.Need{Type: observers.Feature, Name: "a probe on node " + n.node.Node}
	if r.Reason == launch.NoRight {
		need.Type = observers.Verb
	}
	n.gap(need, r.Error())
}

func streamNeed() observers.Need {
	return observers.Need{Type: observers.Feature, Name: "an unbroken stream"}
}
