package launch

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

// maxConfigMap is the API server's limit for the data of one ConfigMap.
const maxConfigMap = 1 << 20

// maxParts is how many parts the loader looks for.
const maxParts = 10

// ConfigMaps returns the immutable ConfigMaps that carry a program: one a part,
// the first with the loader too. names has one name a part. Owners are the Jobs
// that use them: the ConfigMaps go when the last of them goes, and no owner
// waits for them.
func ConfigMaps(p payload.Payload, namespace, run string, names []string, owners []*batchv1.Job) ([]*corev1.ConfigMap, error) {
	if len(p.Parts) == 0 || len(p.Loader) == 0 {
		return nil, fmt.Errorf("the probe for linux/%s has no content: rebuild kubectl-tapio, or pass --probe-image", p.Arch)
	}
	if len(p.Parts) > maxParts || len(names) != len(p.Parts) {
		return nil, fmt.Errorf("the probe for linux/%s comes in %d parts, more than %d", p.Arch, len(p.Parts), maxParts)
	}
	refs := make([]metav1.OwnerReference, len(owners))
	for i, job := range owners {
		refs[i] = metav1.OwnerReference{
			APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID,
			Controller: new(false), BlockOwnerDeletion: new(false),
		}
	}
	out := make([]*corev1.ConfigMap, len(p.Parts))
	for i, part := range p.Parts {
		data := map[string][]byte{partKey: part}
		size := len(part)
		if i == 0 {
			data[loaderKey] = p.Loader
			size += len(p.Loader)
		}
		if size >= maxConfigMap {
			return nil, fmt.Errorf("part %d of the probe for linux/%s has %d bytes, more than a ConfigMap holds", i, p.Arch, size)
		}
		out[i] = &corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{
				Name: names[i], Namespace: namespace, Labels: runLabels(run), OwnerReferences: refs,
			},
			Immutable:  new(true),
			BinaryData: data,
		}
	}
	return out, nil
}

// newNames returns n fresh object names.
func newNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = newName()
	}
	return names
}
