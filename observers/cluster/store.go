package cluster

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// store holds the objects of one list and what is known about the list. A
// reflector fills it directly: observers are edge-triggered by comparing, so
// the queue and the handlers of an informer would only cost time and memory.
type store struct {
	resource Resource
	indexer  cache.Indexer
	changed  func()
	settled  chan struct{} // closed once known or finally unknown

	mu   sync.Mutex
	why  *Unknown
	done bool
}

func newStore(r Resource, changed func()) *store {
	return &store{
		resource: r,
		indexer:  cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
		changed:  changed,
		settled:  make(chan struct{}),
		why:      &Unknown{Resource: r, Why: "the list has not arrived yet"},
	}
}

func (s *store) unknown() *Unknown {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// set records what is known now: nil for a complete list. Whether a once
// complete list lags behind is not told here: its watch is renewed.
func (s *store) set(u *Unknown) {
	s.mu.Lock()
	if s.done && s.why == nil {
		s.mu.Unlock()
		return
	}
	s.why = u
	settle := !s.done && (u == nil || u.Final)
	s.done = s.done || settle
	s.mu.Unlock()
	if settle {
		close(s.settled)
	}
	s.changed()
}

func (s *store) Add(obj any) error {
	if ours(obj) {
		return nil
	}
	defer s.changed()
	return s.indexer.Add(slim(obj))
}

func (s *store) Update(obj any) error {
	if ours(obj) {
		return nil
	}
	defer s.changed()
	return s.indexer.Update(slim(obj))
}

func (s *store) Delete(obj any) error {
	defer s.changed()
	return s.indexer.Delete(obj)
}

func (s *store) Replace(objs []any, version string) error {
	objs = slices.DeleteFunc(objs, ours)
	for _, o := range objs {
		slim(o)
	}
	if err := s.indexer.Replace(objs, version); err != nil {
		return err
	}
	s.set(nil)
	s.changed()
	return nil
}

func (s *store) Resync() error { return nil }

// Transformer lets a streamed list be slimmed object by object, before the
// whole of it is in memory.
func (s *store) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) { return slim(obj), nil }
}

// slim drops what no observer reads and what is large: who wrote which field,
// except for what author.go keeps of it, and the applied manifest, which can
// also hold values nobody should copy.
func slim(obj any) any {
	m, err := meta.Accessor(obj)
	if err != nil {
		return obj
	}
	if f := m.GetManagedFields(); f != nil {
		m.SetManagedFields(authors(obj, f))
	}
	if a := m.GetAnnotations(); a[corev1.LastAppliedConfigAnnotation] != "" {
		delete(a, corev1.LastAppliedConfigAnnotation)
	}
	return obj
}

// Slim drops from an object what no observer reads.
func Slim(obj runtime.Object) { slim(obj) }
