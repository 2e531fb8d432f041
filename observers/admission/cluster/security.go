package cluster

import (
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
)

// standards evaluates the Pod Security Standards, as the API server does.
var standards = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

// tellPodSecurity tells when the template breaks the level that the namespace
// enforces. Exemptions of the API server's own configuration are not known, so
// it is told only of a workload whose pods are refused.
func (o *observer) tellPodSecurity(s *shortage) {
	if !s.refusal.now || o.src.Known(source.Namespaces) != nil {
		return
	}
	ns, err := o.src.Namespaces.Get(s.namespace)
	if err != nil {
		return
	}
	level, err := api.ParseLevel(ns.Labels[api.EnforceLevelLabel])
	if err != nil || level == api.LevelPrivileged {
		return
	}
	version := api.LatestVersion()
	if v, err := api.ParseVersion(ns.Labels[api.EnforceVersionLabel]); err == nil {
		version = v
	}
	eval, err := standards()
	if err != nil {
		return
	}
	meta := metav1.ObjectMeta{Labels: s.template.Labels, Annotations: s.template.Annotations}
	var broken []string
	for _, r := range eval.EvaluatePod(api.LevelVersion{Level: level, Version: version}, &meta, &s.template.Spec) {
		if !r.Allowed {
			broken = append(broken, r.ForbiddenReason)
		}
	}
	if len(broken) == 0 {
		return
	}
	e := about(admission.PodSecurity, s.refusal.first, s.key, inNamespace(s.namespace))
	setText(admission.Level, &e, string(level))
	setText(admission.Breaks, &e, strings.Join(broken, ", "))
	o.tell(s.key.ID, e)
}
