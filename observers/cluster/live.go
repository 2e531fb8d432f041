package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Options narrows what Live reads. The zero value reads the whole namespace.
type Options struct {
	// Node restricts pods to those of one node.
	Node string
	// Once reads each list once and watches none, for a run that only looks.
	Once bool
}

// Live reads a namespace, or with an empty one the whole cluster, and keeps up
// with it until ctx ends. It returns at once; Wait tells when the lists are
// there. A kind that may not be read is unknown as soon as the server says so.
// Each kind costs one list and, unless it is read once, one watch request, all in
// parallel, so a client should allow bursts of about thirty requests. Kinds that few stories need are
// read from the moment on at which an observer wants them.
func Live(ctx context.Context, client kubernetes.Interface, namespace string, o Options) Source {
	logs, follow := liveLogs(client), (*store).follow
	if o.Once {
		logs = fewLogs(client, MaxLogReads)
		follow = func(s *store, ctx context.Context, a access, _ runtime.Object) { s.once(ctx, a) }
	}
	src := newSource(namespace, logs, time.Now)
	src.node = o.Node
	if namespace == "" && o.Node == "" {
		src.holdsAllPods()
	}
	src.begin = func(k kind) {
		a := k.access(client, namespace)
		switch k.resource {
		case Pods:
			if o.Node != "" {
				a = a.selecting(fields.OneTermEqualSelector("spec.nodeName", o.Node).String())
			}
		case Events:
			a = a.newest(maxEvents, func(why string) { src.setBounded(Events, why) })
		}
		go follow(src.stores[k.resource], ctx, a, k.object)
	}
	if namespace != "" && namespace != metav1.NamespaceSystem {
		system := newSource(metav1.NamespaceSystem, logs, time.Now)
		system.changes = src.changes
		system.lazy = true
		system.begin = func(k kind) {
			go follow(system.stores[k.resource], ctx, k.access(client, metav1.NamespaceSystem), k.object)
		}
		src.system = &system
	}
	for _, k := range kinds {
		if !k.demand {
			src.Want(k.resource)
		}
	}
	return src
}

// selecting restricts an access by a field selector.
func (a access) selecting(selector string) access {
	return access{
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return a.list(ctx, o)
		},
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			return a.watch(ctx, o)
		},
	}
}

// follow keeps the store filled until ctx ends or the server refuses the list
// for good.
func (s *store) follow(ctx context.Context, a access, sample runtime.Object) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fail := func(err error) {
		u := refusal(s.resource, err)
		if u == nil || ctx.Err() != nil {
			return
		}
		s.set(u)
		if u.Final {
			cancel()
		}
	}
	lw := listOnly{&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l, err := a.list(ctx, o)
			fail(err)
			return l, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := a.watch(ctx, o)
			if apierrors.IsForbidden(err) {
				// Listing is allowed, watching is not: what was listed stays
				// true for its moment, asking again and again gains nothing.
				cancel()
			}
			return w, err
		},
	}}
	r := cache.NewReflectorWithOptions(lw, sample, s, cache.ReflectorOptions{Name: string(s.resource)})
	// The reflector's own loop writes to the process's log, which is the user's
	// screen here; what fails is told by Known instead.
	const least, most = 200 * time.Millisecond, 15 * time.Second
	for delay := least; ctx.Err() == nil; {
		begun := time.Now()
		_ = r.ListAndWatchWithContext(ctx) // told by fail
		if time.Since(begun) > most {
			delay = least // it worked for a while
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay + rand.N(delay/2)):
		}
		delay = min(2*delay, most)
	}
}

// listOnly makes a reflector begin with a plain list, which the API server
// answers from its cache at once. A streamed list first waits until that cache
// is proven fresh; here the watch that follows brings what is missing.
type listOnly struct{ *cache.ListWatch }

func (listOnly) IsWatchListSemanticsUnSupported() bool { return true }

// refusal turns the error of a list into what is unknown by it, or nil when it
// says nothing about the list.
func refusal(r Resource, err error) *Unknown {
	switch {
	case err == nil, errors.Is(err, context.Canceled), apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return nil
	case apierrors.IsForbidden(err):
		return &Unknown{Resource: r, Why: "no right to list them", Final: true, Err: err}
	case apierrors.IsUnauthorized(err):
		return &Unknown{Resource: r, Why: "the API server does not accept these credentials", Final: true, Err: err}
	case apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return &Unknown{Resource: r, Why: "this API server does not serve them", Final: true, Err: err}
	default:
		return &Unknown{Resource: r, Why: fmt.Sprintf("the API server cannot be asked: %v", err), Err: err}
	}
}

func liveLogs(client kubernetes.Interface) Logs {
	return func(ctx context.Context, namespace, pod, container string, o LogOptions) (io.ReadCloser, error) {
		opts := &corev1.PodLogOptions{Container: container, Previous: o.Previous, Timestamps: true}
		if o.TailLines > 0 {
			opts.TailLines = &o.TailLines
		}
		if o.LimitBytes > 0 {
			opts.LimitBytes = &o.LimitBytes
		}
		if !o.Since.IsZero() {
			opts.SinceTime = &metav1.Time{Time: o.Since}
		}
		return client.CoreV1().Pods(namespace).GetLogs(pod, opts).Stream(ctx)
	}
}

// maxNodes bounds how many nodes FetchNodes reads in one run.
const maxNodes = 50

// FetchNodes reads nodes by name, in parallel, into the lister. It is for users
// who may get a node but not list them, and for large clusters. The error names
// the first node that could not be read; the others are there.
func FetchNodes(ctx context.Context, client kubernetes.Interface, src Source, names []string) error {
	s := src.stores[Nodes]
	if len(names) > maxNodes {
		src.setBounded(Nodes, fmt.Sprintf("%d of %d nodes were read", maxNodes, len(names)))
		names = names[:maxNodes]
	}
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			n, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				errs[i] = fmt.Errorf("node %s cannot be read: %w", name, err)
				return
			}
			errs[i] = s.Add(n)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
