package cluster

import (
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// emit numbers and queues an event. It never blocks: observers tell a change
// once, so the queue is large, and what does not fit leaves a hole in the
// events' numbers and a count in the next Beat.
func (r *Run) emit(e event.Event) {
	r.mu.Lock()
	r.eventNo++
	e.Seq = r.eventNo
	if r.events >= maxQueued {
		r.dropped++
		r.mu.Unlock()
		return
	}
	r.events++
	r.queue = append(r.queue, wire.Frame{Event: &e})
	r.mu.Unlock()
	r.poke()
}

func (r *Run) put(f wire.Frame) {
	r.mu.Lock()
	r.queue = append(r.queue, f)
	r.mu.Unlock()
	r.poke()
}

// mark closes ch once everything queued so far was received.
func (r *Run) mark(ch chan struct{}) {
	r.mu.Lock()
	r.marks = append(r.marks, ch)
	r.mu.Unlock()
	r.poke()
}

func (r *Run) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// write hands the queue over in order and gives the frames their numbers.
func (r *Run) write() {
	defer close(r.frames)
	var seq uint64
	for {
		r.mu.Lock()
		batch, marks, closed := r.queue, r.marks, r.closed
		r.queue, r.marks = nil, nil
		r.mu.Unlock()
		for _, f := range batch {
			seq++
			f.Seq = seq
			r.frames <- wire.Sourced{Source: API, Frame: f}
			if f.Event != nil {
				r.mu.Lock()
				r.events--
				r.mu.Unlock()
			}
		}
		for _, ch := range marks {
			close(ch)
		}
		if len(batch) > 0 || len(marks) > 0 {
			continue
		}
		if closed {
			return
		}
		<-r.wake
	}
}
