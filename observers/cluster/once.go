package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// MaxLogReads bounds how often a run that reads each list once reads logs: one
// look at a cluster costs at most 50 requests, whatever its size.
const MaxLogReads = 10

// tries is how often a list is asked for that fails for no reason of its own.
const tries = 2

// once fills the store with one list and no watch. Large lists come from the
// API server's cache, in one answer.
func (s *store) once(ctx context.Context, a access) {
	for n := 1; ; n++ {
		list, err := a.list(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err == nil {
			items, extracted := meta.ExtractList(list)
			if err = extracted; err == nil {
				objs := make([]any, 0, len(items))
				for _, item := range items {
					objs = append(objs, item)
				}
				if err = s.Replace(objs, ""); err == nil {
					return
				}
			}
		}
		u := refusal(s.resource, err)
		if u == nil {
			u = &Unknown{Resource: s.resource, Why: fmt.Sprintf("the list could not be read: %v", err), Err: err}
		}
		u.Final = u.Final || n == tries // nobody asks again
		if ctx.Err() != nil {
			return
		}
		s.set(u)
		if u.Final {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// errLogsEnough is why a log is left out.
var errLogsEnough = errors.New("a run reads so many logs and no more; name one pod as the target")

// fewLogs reads at most so many logs.
func fewLogs(client kubernetes.Interface, most int64) Logs {
	var n atomic.Int64
	read := liveLogs(client)
	return func(ctx context.Context, namespace, pod, container string, o LogOptions) (io.ReadCloser, error) {
		if n.Add(1) > most {
			return nil, errLogsEnough
		}
		return read(ctx, namespace, pod, container, o)
	}
}
