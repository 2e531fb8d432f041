package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	source "github.com/yairfalse/tapio/observers/cluster"
)

// read fetches what is new in one log. It asks again for fewer lines when the
// answer was cut.
func (o *observer) read(ctx context.Context, t *task) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for i, tail := range tails {
		cut, err := o.once(ctx, t, tail)
		if t.err = err; err != nil {
			if apierrors.IsForbidden(err) {
				o.mu.Lock()
				o.refused = true
				o.mu.Unlock()
			}
			return
		}
		if !cut || i == len(tails)-1 {
			return
		}
	}
}

func (o *observer) once(ctx context.Context, t *task, tail int64) (cut bool, err error) {
	opts := source.LogOptions{Previous: t.previous, TailLines: tail, LimitBytes: limitBytes, Since: t.at}
	rc, err := o.src.Logs(ctx, t.pod.Namespace, t.pod.Name, t.container, opts)
	if t.previous && t.alone && errors.Is(err, source.ErrNoLogs) {
		// Files often hold a log without saying whose: while no instance runs,
		// it is that of the last one.
		opts.Previous = false
		rc, err = o.src.Logs(ctx, t.pod.Namespace, t.pod.Name, t.container, opts)
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = rc.Close() }() // only read from
	limited := &io.LimitedReader{R: rc, N: limitBytes}
	groups, to, _, err := scan(limited, t.cursor, t.untimed)
	if err != nil {
		return false, err
	}
	if limited.N <= 0 && tail != tails[len(tails)-1] {
		return true, nil
	}
	t.groups, t.cursor, t.complete = groups, to, t.ended
	return false, nil
}

// tellFailures makes gaps of the logs that could not be read, those of one
// reason in one sentence.
func (o *observer) tellFailures(ctx context.Context, tasks []*task) {
	if ctx.Err() != nil {
		return
	}
	if o.isRefused() {
		for _, t := range tasks {
			if apierrors.IsForbidden(t.err) {
				o.gap(fmt.Sprintf("no right to read container logs in namespace %q", t.pod.Namespace))
				return
			}
		}
	}
	failed := 0
	var sample *task
	for _, t := range tasks {
		if t.err == nil || apierrors.IsNotFound(t.err) {
			continue // nothing to tell, or the pod went while it was asked for
		}
		t.complete = true // one that could not be read is not asked for again
		if failed++; sample == nil {
			sample = t
		}
	}
	switch {
	case failed == 0:
	case errors.Is(sample.err, source.ErrNoLogs):
		o.gap(fmt.Sprintf("%d logs are not part of the input", failed))
	default:
		o.gap(fmt.Sprintf("%d logs could not be read; that of %s/%s: %v", failed, sample.pod.Name, sample.container, sample.err))
	}
}
