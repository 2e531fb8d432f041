package launch

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// NewClient returns a client for launching: it speaks protobuf (a part of the
// program would grow by a third in JSON), does not throttle itself (all
// requests of a launch are few and parallel), and keeps the API server's
// warnings for who asked, see withWarnings.
func NewClient(config *rest.Config) (kubernetes.Interface, error) {
	c := rest.CopyConfig(config)
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c.QPS, c.Burst, c.RateLimiter = -1, 0, nil
	c.WarningHandler, c.WarningHandlerWithContext = nil, collectWarnings{}
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("this kubeconfig cannot be used: %w", err)
	}
	return client, nil
}

// warnings are what an API server said beside its answers.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// maxWarnings bounds what is kept of a talkative server.
const maxWarnings = 32

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.texts) < maxWarnings {
		w.texts = append(w.texts, text)
	}
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

type warningsKey struct{}

// withWarnings returns a context whose requests put their warnings into w.
func withWarnings(ctx context.Context) (context.Context, *warnings) {
	w := &warnings{}
	return context.WithValue(ctx, warningsKey{}, w), w
}

// collectWarnings hands warnings to the context's list; without one they are
// dropped, since launching says everything itself.
type collectWarnings struct{}

func (collectWarnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if w, ok := ctx.Value(warningsKey{}).(*warnings); ok && code == 299 && text != "" {
		w.add(text)
	}
}
