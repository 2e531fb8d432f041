package session

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/wire"
)

func TestSessionPassesFramesOnAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := make(chan bool, 2)
		starts := make(chan *wire.Start, 2)
		serve := func(p *peer) {
			starts <- p.hello()
			p.send(kill(time.Now()))
			stopped <- p.serve()
		}
		fleet := &fakeFleet{}
		s := begin(t, t.Context(), fleet, &fakeProbe{name: "a", serve: serve}, &fakeProbe{name: "b", serve: serve})
		go func() {
			time.Sleep(20 * time.Second)
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		frames := collect(s)
		<-s.Done()
		perNode := map[string]map[string]int{}
		for _, f := range frames {
			if f.Source.Side != observers.Node {
				t.Errorf("source %+v", f.Source)
			}
			if perNode[f.Source.Name] == nil {
				perNode[f.Source.Name] = map[string]int{}
			}
			perNode[f.Source.Name][what(f.Frame)]++
		}
		for _, source := range []string{"node/a", "node/b"} {
			got := perNode[source]
			if got["hello"] != 1 || got["event"] != 1 || got["bye"] != 1 || got["gap"] != 0 || got["beat"] < 18 || got["pong"] < 6 {
				t.Errorf("%s sent %v", source, got)
			}
			if start := <-starts; len(start.Token) != 64 || start.Build != testBuild || start.Scope.PodUIDs[0] != "uid" || start.Observers[0] != "memory" {
				t.Errorf("start %+v", start)
			}
			if !<-stopped {
				t.Errorf("a probe was not stopped")
			}
		}
		if fleet.deleted != 1 || fleet.kept < 20*time.Second {
			t.Errorf("deleted %d times, lease kept for %s", fleet.deleted, fleet.kept)
		}
		order := []string{}
		for _, m := range s.Milestones() {
			if m.Node == "" || m.Node == "a" {
				order = append(order, m.Name)
			}
		}
		if got := strings.Join(order, ","); got != "created,pod running,first frame,first kernel evidence,deleted" {
			t.Errorf("milestones %s", got)
		}
	})
}

// what names the body of a frame.
func what(f wire.Frame) string {
	switch {
	case f.Hello != nil:
		return "hello"
	case f.Gap != nil:
		return "gap"
	case f.Event != nil:
		return "event"
	case f.Beat != nil:
		return "beat"
	case f.Pong != nil:
		return "pong"
	case f.Bye != nil:
		return "bye"
	}
	return "nothing"
}

// TestOneProbe runs a session with one probe to its end, by itself or by an
// interrupt after ten seconds, and looks at the gaps.
func TestOneProbe(t *testing.T) {
	for name, tt := range map[string]struct {
		wait  func(ctx context.Context) error
		serve func(p *peer, dial int)
		gone  bool // whether the pod ends together with the first connection
		gaps  []string
		early bool // whether the session ends without the interrupt
	}{
		"healthy": {serve: func(p *peer, _ int) { p.hello(); p.serve() }},
		"refused by the kubelet": {
			wait:  func(context.Context) error { return &launch.Refused{Reason: launch.ImageDenied, What: "no image"} },
			gaps:  []string{"no image"},
			early: true,
		},
		"does not listen at first": {serve: func(p *peer, dial int) {
			if dial < 5 {
				return
			}
			p.hello()
			p.serve()
		}},
		"wrong token": {
			serve: func(p *peer, _ int) {
				p.r.Next()
				p.send(wire.Frame{Bye: &wire.Bye{Reason: "the token is not the one of this run"}})
				p.r.Next()
			},
			gaps: []string{"the probe on a refuses this client (the token is not the one of this run)"}, early: true,
		},
		"another build": {
			serve: func(p *peer, _ int) {
				p.r.Next()
				p.send(wire.Frame{Hello: &wire.Hello{Protocol: wire.Protocol, Build: "v9", Node: "a"}})
				p.r.Next()
			},
			gaps: []string{"the probe on a is of another build (v9)"}, early: true,
		},
		"another node": {
			serve: func(p *peer, _ int) {
				p.r.Next()
				p.send(wire.Frame{Hello: &wire.Hello{Protocol: wire.Protocol, Build: testBuild, Node: "z"}})
				p.r.Next()
			},
			gaps: []string{"the probe of a says it runs elsewhere (z)"}, early: true,
		},
		"a hole in the numbers": {
			serve: func(p *peer, _ int) { p.hello(); p.seq += 5; p.send(kill(time.Now())); p.serve() },
			gaps:  []string{"5 lines of a were lost on the way"},
		},
		"repeats": {serve: func(p *peer, _ int) {
			p.hello()
			p.send(kill(time.Now()))
			p.seq = 0
			p.send(kill(time.Now()))
			p.serve()
		}},
		"the probe tells a loss": {serve: func(p *peer, _ int) {
			p.hello()
			p.w.Write(wire.Frame{Seq: 9, Lost: &wire.Lost{Events: 9}})
			p.seq = 9
			p.send(kill(time.Now()))
			p.serve()
		}},
		"the stream breaks once": {
			serve: func(p *peer, dial int) {
				p.hello()
				if dial == 0 {
					time.Sleep(2 * time.Second)
					return
				}
				p.serve()
			},
		},
		"the probe has forgotten the session": {
			serve: func(p *peer, dial int) {
				p.anew = true
				p.hello()
				p.send(kill(time.Now()))
				if dial == 0 {
					time.Sleep(2 * time.Second)
					return
				}
				p.serve()
			},
			gaps: []string{"the probe on a began anew: nothing was seen for 0s from 00:00:02 UTC"},
		},
		"the stream breaks for ever": {
			serve: func(p *peer, _ int) { p.hello() },
			gaps:  []string{"the stream to the probe on a broke 9 times in a row; run it again"}, early: true,
		},
		"the stream hangs": {
			serve: func(p *peer, dial int) {
				p.hello()
				if dial == 0 {
					for { // reads, but says nothing more
						if _, err := p.r.Next(); err != nil {
							return
						}
					}
				}
				p.serve()
			},
		},
		"the pod is killed": {
			serve: func(p *peer, _ int) { p.hello() }, gone: true,
			gaps: []string{"the probe on a ended (OOMKilled, exit code 137)"}, early: true,
		},
		"it ends by itself": {
			serve: func(p *peer, _ int) {
				p.hello()
				p.send(wire.Frame{Bye: &wire.Bye{Reason: "no client for 15s"}})
				p.r.Next()
			},
			gaps: []string{"the probe on a ended (no client for 15s); run it again"}, early: true,
		},
		"garbage": {
			serve: func(p *peer, _ int) {
				p.hello()
				p.conn.Write([]byte("\x00\x01 this is not zstd"))
				p.r.Next()
			},
			gaps: []string{"the stream to the probe on a broke 9 times in a row; run it again"}, early: true,
		},
		"never answers Start": {
			serve: func(p *peer, _ int) {
				for {
					if _, err := p.r.Next(); err != nil {
						return
					}
				}
			},
		},
		"ignores Stop": {serve: func(p *peer, _ int) {
			p.hello()
			for {
				if _, err := p.r.Next(); err != nil {
					return
				}
				p.send(wire.Frame{Beat: &wire.Beat{}})
			}
		}, gaps: []string{"the last words of the probe on a did not arrive: it was not heard since 00:00:09 UTC"}},
		"the stream breaks before the end": {
			serve: func(p *peer, dial int) {
				if dial == 0 {
					p.hello()
					time.Sleep(9 * time.Second)
				}
			},
			gaps: []string{"the last words of the probe on a did not arrive: it was not heard since 00:00:00 UTC"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeProbe{name: "a", wait: tt.wait}
				dial := 0
				f.serve = func(p *peer) {
					n := dial
					dial++
					if tt.gone {
						defer f.set(launch.Ended, "OOMKilled, exit code 137")
					}
					tt.serve(p, n)
				}
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
				defer cancel()
				fleet := &fakeFleet{}
				s := begin(t, ctx, fleet, f)
				got := gaps(collect(s))
				took := time.Since(began)
				<-s.Done()
				if strings.Join(got, "\n") != strings.Join(tt.gaps, "\n") {
					t.Errorf("gaps:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.gaps, "\n"))
				}
				if early := ctx.Err() == nil; early != tt.early {
					t.Errorf("ended before the interrupt: %v, after %s", early, took)
				}
				if took > 9500*time.Millisecond+stopBound+closeBound {
					t.Errorf("the interrupt took %s", took-9500*time.Millisecond)
				}
				if fleet.deleted != 1 {
					t.Errorf("deleted %d times", fleet.deleted)
				}
			})
		})
	}
}
