package agent

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// ticking emits one event every period and counts them.
func ticking(period time.Duration, opened, emitted *atomic.Int64) Entry {
	e := entry("ticks", nil)
	e.Open = func() (observers.Observer, error) {
		opened.Add(1)
		return &fake{run: func(ctx context.Context, emit func(event.Event)) error {
			tick := time.NewTicker(period)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					emitted.Add(1)
					emit(event.Event{Kind: "ticks.x", At: time.Now()})
				case <-ctx.Done():
					return nil
				}
			}
		}}, nil
	}
	return e
}

// A connection that breaks is resumed: the observers never notice, and each
// event arrives.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, emitted atomic.Int64
		p := serve(t, config(ticking(10*time.Millisecond, &opened, &emitted)))
		var all []wire.Frame
		last := uint64(0)
		for round := range 5 {
			start := goodStart()
			start.After = last
			c := p.join(t, start)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			frames, _ := c.got()
			h := frames[0].Hello
			if h == nil || h.Resumed != (round > 0) || len(h.Specs) > 0 == (round > 0) {
				t.Fatalf("round %d begins with %+v", round, frames[0])
			}
			for _, f := range frames {
				if f.Seq > 0 {
					all, last = append(all, f), f.Seq
				}
			}
			if round%2 == 0 { // not all that arrived was passed on
				all, last = all[:len(all)-20], last-20
			}
			c.conn.Close()
			time.Sleep(DefaultSilence - 4*time.Second)
		}
		start := goodStart()
		start.After = last
		c := p.join(t, start)
		c.send(wire.Frame{Stop: &wire.Stop{}})
		if err := p.ended(t); err != nil {
			t.Fatal(err)
		}
		frames, err := c.got()
		for _, f := range frames {
			if f.Seq > 0 {
				all = append(all, f)
			}
		}
		checkSeq(t, all)
		if n := int64(len(kindsOf(all))); n != emitted.Load() || opened.Load() != 1 || err != io.EOF {
			t.Errorf("%d of %d events arrived, opened %d times, %v", n, emitted.Load(), opened.Load(), err)
		}
	})
}

// The connection before may hang; the new one is served at once.
func TestResumeWhileTheOldConnectionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		hanging := newPeer(t, p.dial())
		s := goodStart()
		hanging.send(wire.Frame{Start: &s})
		synctest.Wait()
		began := time.Now()
		fresh := p.join(t, s)
		if frames, err := fresh.got(); len(frames) == 0 || frames[0].Hello == nil || err != nil || time.Since(began) != 0 {
			t.Errorf("after %v the new client has %+v, %v", time.Since(began), frames, err)
		}
	})
}

// A client that asks for what the probe does not have is told so.
func TestResumeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		p.join(t, goodStart()).conn.Close()
		synctest.Wait()
		s := goodStart()
		s.After = 99
		frames, _ := p.join(t, s).got()
		if got, want := byeOf(t, frames), errNoResume.Error()+": after line 99, sent were 1, of which 0 were acknowledged"; got != want {
			t.Errorf("bye %q, want %q", got, want)
		}
		if frames, _ := p.join(t, goodStart()).got(); len(frames) == 0 || frames[0].Hello == nil {
			t.Errorf("a right one then gets %+v", frames)
		}
	})
}

// Another session begins anew, and says so by its hello.
func TestAnotherSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		p.join(t, goodStart()).conn.Close()
		synctest.Wait()
		s := goodStart()
		s.Session, s.After = "s2", 7
		c := p.join(t, s)
		time.Sleep(flushAfter)
		synctest.Wait()
		frames, _ := c.got()
		checkSeq(t, frames)
		if h := frames[0].Hello; h == nil || h.Resumed || len(h.Specs) != 1 || len(kindsOf(frames)) != 1 {
			t.Errorf("frames %+v", frames)
		}
	})
}

// A client that comes while the session ends gets the rest.
func TestResumeAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("slow", &fake{run: func(ctx context.Context, emit func(event.Event)) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			emit(event.Event{Kind: "slow.x"})
			return nil
		}})))
		c := p.join(t, goodStart())
		c.send(wire.Frame{Stop: &wire.Stop{}})
		c.conn.Close()
		if err := <-p.done; err != nil {
			t.Error(err)
		}
		if p.lived > restBound {
			t.Errorf("the probe lived for %v", p.lived)
		}
	})
}

// What a client that reads nothing does not take is dropped, counted and told
// to the event, and the probe does not grow.
func TestLossIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const emitted = 40_000 // some 8 MB
		p := serve(t, config(entry("flood", &fake{run: func(ctx context.Context, emit func(event.Event)) error {
			for range emitted { // without a pause: emit must not block
				emit(fat(0, 150))
			}
			<-ctx.Done()
			return nil
		}})))
		c := newPeer(t, p.dial())
		s := goodStart()
		c.send(wire.Frame{Start: &s})
		synctest.Wait() // the writer hangs, because nobody reads yet
		c.collect()
		time.Sleep(2 * beatEvery)
		c.send(wire.Frame{Stop: &wire.Stop{}})
		if err := p.ended(t); err != nil {
			t.Fatal(err)
		}
		frames, _ := c.got()
		checkSeq(t, frames)
		received, lost := len(kindsOf(frames)), uint64(0)
		for _, f := range frames {
			if f.Lost != nil {
				lost += f.Lost.Events
			}
		}
		beats := beatsOf(frames)
		if received+int(lost) != emitted || lost == 0 || received < 10_000 || beats[len(beats)-1].Dropped != 0 {
			t.Errorf("%d received and %d lost of %d", received, lost, emitted)
		}
	})
}

// A client that pings but takes nothing is disconnected, and may come again.
func TestStalledClientComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		c := newPeer(t, p.dial())
		s := goodStart()
		c.send(wire.Frame{Start: &s})
		for {
			time.Sleep(time.Second)
			if errors.Join(c.w.Write(wire.Frame{Ping: &wire.Ping{}}), c.w.Flush()) != nil {
				break
			}
		}
		fresh := p.join(t, s)
		time.Sleep(flushAfter)
		synctest.Wait()
		if frames, _ := fresh.got(); len(kindsOf(frames)) != 1 {
			t.Errorf("frames %+v", frames)
		}
	})
}
