package launch

import (
	"context"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// admits asks by dry run whether the namespace takes the probe. The pod decides,
// because Pod Security is enforced on pods and only warns about Jobs; who may
// not create pods is told by the Job's warnings, and later by its events.
func admits(ctx context.Context, client kubernetes.Interface, s Spec) *Refused {
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	var (
		wg             sync.WaitGroup
		podErr, jobErr error
	)
	jobCtx, said := withWarnings(ctx)
	wg.Go(func() { _, podErr = client.CoreV1().Pods(s.Namespace).Create(ctx, Pod(s), dry) })
	wg.Go(func() { _, jobErr = client.BatchV1().Jobs(s.Namespace).Create(jobCtx, Job(s), dry) })
	wg.Wait()
	if jobErr != nil && !dryRunUnsupported(jobErr) {
		return refusal(jobErr, "create", "jobs", s.Namespace)
	}
	switch {
	case podErr == nil || dryRunUnsupported(podErr):
		return nil
	case apierrors.IsForbidden(podErr) && rightText.MatchString(podErr.Error()):
		for _, text := range said.all() {
			if r := refusalText(text, s.Namespace); r != nil && r.Reason == PodSecurity {
				return r
			}
		}
		return nil
	}
	return refusal(podErr, "create", "pods", s.Namespace)
}

// Objects returns what a launch would create, for a dry run: for each node a
// Job, and for each architecture the ConfigMaps with the program. The owner
// references of the ConfigMaps have no uid, because no Job has one yet.
func (p *Plan) Objects() ([]runtime.Object, error) {
	var out []runtime.Object
	for _, set := range p.sets() {
		owners := make([]*batchv1.Job, len(set.nodes))
		for i, c := range set.nodes {
			owners[i] = Job(p.spec(c, p.Namespace, newName(), set.parts, 0))
			out = append(out, owners[i])
		}
		if p.Image != "" {
			continue
		}
		maps, err := ConfigMaps(p.payloads[set.arch], p.Namespace, p.Run, set.parts, owners)
		if err != nil {
			return nil, err
		}
		for _, m := range maps {
			out = append(out, m)
		}
	}
	return out, nil
}

// DryRun sends what a launch would create to the server, which checks and
// completes it without keeping it, and returns the result.
func (p *Plan) DryRun(ctx context.Context) ([]runtime.Object, error) {
	objects, err := p.Objects()
	if err != nil {
		return nil, err
	}
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	out := make([]runtime.Object, 0, len(objects))
	for _, o := range objects {
		job, ok := o.(*batchv1.Job)
		if !ok {
			out = append(out, o) // its owner has no uid, which the server would refuse
			continue
		}
		made, err := p.client.BatchV1().Jobs(p.Namespace).Create(ctx, job, dry)
		if err != nil {
			return nil, refusal(err, "create", "jobs", p.Namespace)
		}
		made.TypeMeta, made.ManagedFields = job.TypeMeta, nil
		out = append(out, made)
	}
	return out, nil
}

// partSet is the nodes of one architecture, which share the parts.
type partSet struct {
	arch  string
	parts []string
	nodes []Candidate
}

// sets groups the admitted nodes by architecture, in the plan's order. With a
// probe image there is one group without parts.
func (p *Plan) sets() []*partSet {
	var out []*partSet
	byArch := map[string]*partSet{}
	for _, c := range p.Admitted() {
		arch := c.Arch
		if p.Image != "" {
			arch = ""
		}
		set := byArch[arch]
		if set == nil {
			set = &partSet{arch: arch}
			if p.Image == "" {
				set.parts = newNames(len(p.payloads[arch].Parts))
			}
			byArch[arch] = set
			out = append(out, set)
		}
		set.nodes = append(set.nodes, c)
	}
	return out
}
