package launch

import (
	"context"
	"sync"

	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Right is one permission that a probe needs in its namespace.
type Right struct {
	Verb, Group, Resource, Subresource string
}

// Name is the right's resource as kubectl writes it.
func (r Right) Name() string {
	if r.Subresource != "" {
		return r.Resource + "/" + r.Subresource
	}
	return r.Resource
}

// Rights lists what launching a probe needs, in the order in which their
// absence is told. delivered is true when the cluster's ConfigMaps carry the
// program, false with a probe image.
func Rights(delivered bool) []Right {
	out := []Right{
		{"create", "batch", "jobs", ""},
		{"create", "", "pods", "portforward"},
		{"delete", "batch", "jobs", ""},
		{"patch", "batch", "jobs", ""},
		{"list", "", "pods", ""},
		{"watch", "", "pods", ""},
	}
	if delivered {
		out = append(out, Right{"create", "", "configmaps", ""})
	}
	return out
}

// missingRight asks for all rights at once and returns the first one that is
// missing, as a refusal, or nil.
func missingRight(ctx context.Context, client kubernetes.Interface, namespace string, rights []Right) *Refused {
	found := make([]*Refused, len(rights))
	var wg sync.WaitGroup
	for i, right := range rights {
		wg.Go(func() { found[i] = reviewRight(ctx, client, namespace, right) })
	}
	wg.Wait()
	for _, r := range found {
		if r != nil {
			return r
		}
	}
	return nil
}

// reviewRight asks the API server about one right. A server that does not tell
// refuses nothing: then the request itself decides.
func reviewRight(ctx context.Context, client kubernetes.Interface, namespace string, right Right) *Refused {
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authv1.SelfSubjectAccessReview{
		Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authv1.ResourceAttributes{
			Namespace: namespace, Verb: right.Verb, Group: right.Group,
			Resource: right.Resource, Subresource: right.Subresource,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		if r := refusal(err, "create", "selfsubjectaccessreviews", "the cluster"); r.Reason == Unreachable || r.What == badCredentials {
			return r
		}
		return nil
	}
	if review.Status.Allowed {
		return nil
	}
	r := noRight(right.Verb, right.Name(), namespace)
	r.Why = review.Status.Reason
	return r
}
