package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rules/admission"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	adm "github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// admissionCauses lists the causes that the family supports in a window, and all
// that it proposes.
func admissionCauses(w *window.Window) (out []string, all []finding.Hypothesis) {
	for _, r := range admission.Rules() {
		for _, h := range r.Eval(w) {
			all = append(all, h)
			if h.Confidence(w.Ceiling()) >= finding.Supported {
				out = append(out, string(h.Cause))
			}
		}
	}
	return out, all
}

func exceeds(resource, hard, used, needs string) func(*event.Event) {
	return func(e *event.Event) {
		adm.Name.Set(e, "q")
		adm.Resource.Set(e, resource)
		adm.Hard.Set(e, hard)
		adm.Used.Set(e, used)
		adm.Needs.Set(e, needs)
		adm.Enough.Set(e, "11")
	}
}

func named(name string) func(*event.Event) {
	return func(e *event.Event) { adm.Name.Set(e, name) }
}

func over(of func(*event.Event)) func(*event.Event) {
	return func(e *event.Event) { of(e); adm.Over.Set(e, true) }
}

func TestAdmission(t *testing.T) {
	web := facts.Missing{Namespace: "shop", Workload: "web", Desired: 3, Pods: 1, Refused: true, Last: -5, Service: "web", Message: `pods "x" is forbidden: exceeded quota: q`}
	quiet := web
	quiet.Refused, quiet.Message = false, ""
	waiting := quiet
	waiting.Waits = true
	words := web
	words.Message = `Error creating: pods "x" is forbidden: the moon is full`
	for _, tt := range []struct {
		name string
		set  func(*facts.Set)
		want string // supported causes
		says string // part of the first one's headline
	}{
		{
			name: "quota of pods", want: "admission/quota-pods", says: "quota q of namespace shop has 10 of 10 pods in use and one more pod needs 1",
			set: func(s *facts.Set) {
				s.Missing(web, -60)
				s.Admission(adm.Exceeds, -300, web, exceeds("pods", "10", "10", "1"))
			},
		},
		{
			name: "quota of CPU, limits too", want: "admission/quota-cpu",
			set: func(s *facts.Set) {
				s.Missing(web, -60)
				s.Admission(adm.Exceeds, -300, web, exceeds("limits.cpu", "1", "1", "100m"))
			},
		},
		{
			name: "quota of memory", want: "admission/quota-memory",
			set: func(s *facts.Set) {
				s.Missing(web, -60)
				s.Admission(adm.Exceeds, -300, web, exceeds("requests.memory", "3Gi", "3Gi", "300Mi"))
			},
		},
		{
			name: "quota of claims", want: "admission/quota-storage",
			set: func(s *facts.Set) {
				s.Missing(web, -60)
				s.Admission(adm.Exceeds, -300, web, exceeds("persistentvolumeclaims", "1", "1", "1"))
			},
		},
		{
			name: "quota of graphics cards", want: "admission/quota-other",
			set: func(s *facts.Set) {
				s.Missing(web, -60)
				s.Admission(adm.Exceeds, -300, web, exceeds("requests.nvidia.com/gpu", "1", "1", "1"))
			},
		},
		{
			name: "the quota has room again", set: func(s *facts.Set) {
				m := web
				m.Message = ""
				s.Missing(m, -60)
				s.Admission(adm.Exceeds, -300, web, exceeds("pods", "10", "10", "1"))
				s.Admission(adm.Exceeds, -10, web, over(exceeds("pods", "10", "10", "1")))
			},
		},
		{
			name: "short for a moment, not refused", set: func(s *facts.Set) {
				s.Missing(quiet, -10)
				s.Admission(adm.Exceeds, -300, quiet, exceeds("pods", "10", "10", "1"))
			},
		},
		{
			name: "a StatefulSet that waits for its own pod", set: func(s *facts.Set) {
				s.Missing(waiting, -300)
				s.Admission(adm.Exceeds, -300, waiting, exceeds("pods", "10", "10", "1"))
			},
		},
		{
			name: "a full quota and nobody short", set: func(s *facts.Set) {
				s.Admission(adm.Quota, -300, web, func(e *event.Event) { exceeds("pods", "10", "10", "1")(e); adm.Full.Set(e, true) })
				s.Admission(adm.Quota, -300, web, func(e *event.Event) { exceeds("services", "10", "10", "1")(e); adm.Full.Set(e, true) })
			},
		},
		{
			name: "no Service for a port that others name", want: "admission/quota-services", says: "no further Service can be created because quota q has 10 of 10 services in use; no Service leads to web",
			set: func(s *facts.Set) {
				s.Admission(adm.Quota, -300, web, func(e *event.Event) { exceeds("services", "10", "10", "1")(e); adm.Full.Set(e, true) })
				s.Admission(adm.Unserved, -300, web, func(e *event.Event) { adm.NamedBy.Set(e, 2) })
			},
		},
		{
			name: "no Service for a port that nobody names, quota of old", set: func(s *facts.Set) {
				s.Admission(adm.Quota, -300, web, func(e *event.Event) { exceeds("services", "10", "10", "1")(e); adm.Full.Set(e, true) })
				s.Admission(adm.Unserved, -300, web, func(e *event.Event) { adm.NamedBy.Set(e, 0) })
			},
		},
		{
			name: "service account missing", want: "admission/service-account-missing", says: "their service account who does not exist",
			set: func(s *facts.Set) { s.Missing(web, -60); s.Admission(adm.NoAccount, -60, web, named("who")) },
		},
		{
			name: "service account missing, and nobody short", set: func(s *facts.Set) { s.Admission(adm.NoAccount, -60, web, named("who")) },
		},
		{
			name: "service account made since", set: func(s *facts.Set) {
				m := quiet
				s.Missing(m, -20)
				s.Admission(adm.NoAccount, -60, m, named("who"))
				s.Admission(adm.NoAccount, -20, m, over(named("who")))
			},
		},
		{
			name: "limit range", want: "admission/limit-range", says: "container app asks for 128Mi of memory, limit range r sets the maximum at 64Mi",
			set: func(s *facts.Set) {
				s.Missing(web, -60)
				s.Admission(adm.OutOfRange, -60, web, func(e *event.Event) {
					adm.Name.Set(e, "r")
					adm.Resource.Set(e, "memory")
					adm.Container.Set(e, "app")
					adm.Rule.Set(e, adm.Max)
					adm.Limit.Set(e, "64Mi")
					adm.Asked.Set(e, "128Mi")
				})
			},
		},
		{
			name: "pod security", want: "admission/denied", says: "namespace shop enforces pod security level restricted and the template breaks it: runAsNonRoot != true",
			set: func(s *facts.Set) {
				s.Missing(words, -60)
				s.Admission(adm.PodSecurity, -60, words, func(e *event.Event) { adm.Level.Set(e, "restricted"); adm.Breaks.Set(e, "runAsNonRoot != true") })
			},
		},
		{
			name: "a webhook denies", want: "admission/denied", says: "webhook w.example.org denied the request",
			set: func(s *facts.Set) {
				s.Missing(words, -60)
				s.Admission(adm.Hook, -60, words, func(e *event.Event) { adm.Name.Set(e, "w.example.org"); adm.Denied.Set(e, true) })
			},
		},
		{
			name: "a webhook is down", want: "admission/denied", says: "webhook w.example.org cannot be called, its Service has 0 ready endpoints, and without its answer nothing is admitted",
			set: func(s *facts.Set) {
				s.Missing(words, -60)
				s.Admission(adm.Hook, -60, words, func(e *event.Event) {
					adm.Name.Set(e, "w.example.org")
					adm.Down.Set(e, true)
					adm.Closed.Set(e, true)
					adm.Backends.Set(e, 0)
				})
			},
		},
		{
			name: "refused by a quota that has room since", want: "admission/denied", says: "pods were refused and nothing refuses them now",
			set: func(s *facts.Set) {
				m := web
				m.Message = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
				s.Missing(m, -60)
			},
		},
		{
			name: "refused for a reason that only the API server knows", want: "admission/denied", says: "web: pods cannot be created: the moon is full",
			set: func(s *facts.Set) { s.Missing(words, -60) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &facts.Set{}
			tt.set(s)
			got, all := admissionCauses(s.Namespace(0, "shop"))
			if strings.Join(got, " ") != tt.want {
				t.Fatalf("supported %v, want %q", got, tt.want)
			}
			if tt.want == "" {
				return
			}
			h := all[0]
			if !strings.Contains(h.Headline, tt.says) {
				t.Errorf("headline %q lacks %q", h.Headline, tt.says)
			}
			for _, l := range h.Chain {
				if len(l.Evidence) == 0 {
					t.Errorf("link %q cites nothing", l.Sentence)
				}
			}
			if len(h.Advice) == 0 || len(h.Chain) == 0 {
				t.Error("no chain or no advice")
			}
			doc := correlate.Explain(s.Namespace(0, "shop"))
			if doc.Verdict != story.Explained || doc.Hypotheses[0].Cause != tt.want {
				t.Errorf("the story is %s: %s", doc.Verdict, doc.Headline)
			}
		})
	}
}

func TestQuotaIsTheNamespaces(t *testing.T) {
	s := &facts.Set{}
	for _, name := range []string{"web", "api"} {
		m := facts.Missing{Namespace: "shop", Workload: name, Desired: 1, Refused: true, Last: -5}
		s.Missing(m, -60)
		s.Admission(adm.Exceeds, -300, m, exceeds("pods", "10", "10", "1"))
	}
	got, all := admissionCauses(s.Namespace(0, "shop"))
	if len(got) != 1 {
		t.Fatalf("supported %v: one quota is one cause", got)
	}
	if h := all[0]; h.Entity != (event.Key{Type: event.Namespace, ID: "shop"}) || len(h.Affected) != 2 || !strings.HasPrefix(h.Headline, "api, web:") {
		t.Errorf("%v affects %v: %s", h.Entity, h.Affected, h.Headline)
	}
}

func TestMutated(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*facts.Set)
		want string
	}{
		{
			name: "a lowered limit and an OOM kill", want: "admission/mutated",
			set: func(s *facts.Set) {
				s.Mutated(redis, "limits.memory", "512Mi", "16Mi", true)
				s.Ended(redis, -40, -30, "OOMKilled", 137, "")
			},
		},
		{
			name: "a lowered limit and an ordinary end",
			set: func(s *facts.Set) {
				s.Mutated(redis, "limits.memory", "512Mi", "16Mi", true)
				s.Ended(redis, -40, -30, "Error", 1, "")
			},
		},
		{
			name: "an OOM kill under the template's own limit",
			set: func(s *facts.Set) {
				s.Mutated(redis, "requests.cpu", "100m", "10m", true)
				s.Ended(redis, -40, -30, "OOMKilled", 137, "")
			},
		},
		{
			name: "another image that cannot be pulled", want: "admission/mutated",
			set: func(s *facts.Set) {
				s.Mutated(redis, "image", "redis:7", "mirror/redis:7", false)
				s.Pod(redis, -10, facts.State{State: lifecycle.Waiting, Reason: "ImagePullBackOff"})
			},
		},
		{
			name: "another image that runs",
			set:  func(s *facts.Set) { s.Mutated(redis, "image", "redis:7", "mirror/redis:7", false) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &facts.Set{}
			s.Pod(redis, -100, running(-90, 0))
			tt.set(s)
			got, _ := admissionCauses(s.Window(0, false, redis))
			if strings.Join(got, " ") != tt.want {
				t.Errorf("supported %v, want %q", got, tt.want)
			}
		})
	}
}

func TestRBACForbidden(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*facts.Set)
		want string
	}{
		{
			name: "refused, and ended after it", want: "admission/rbac-forbidden",
			set: func(s *facts.Set) {
				s.Pod(redis, -10, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 2})
				s.Says(redis, -31, logs.Forbidden, "list pods")
				s.Ended(redis, -40, -30, "Error", 1, "")
			},
		},
		{
			name: "refused, and well all the same",
			set: func(s *facts.Set) {
				s.Pod(redis, -10, running(-500, 0))
				s.Says(redis, -31, logs.Forbidden, "list pods")
			},
		},
		{
			name: "it ended for another reason",
			set: func(s *facts.Set) {
				s.Pod(redis, -10, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 2})
				s.Says(redis, -31, logs.NoFile, "/etc/app.yaml")
				s.Ended(redis, -40, -30, "Error", 1, "")
			},
		},
	} {
		s := &facts.Set{}
		tt.set(s)
		if got, _ := admissionCauses(s.Window(0, false, redis)); strings.Join(got, " ") != tt.want {
			t.Errorf("%s: supported %v, want %q", tt.name, got, tt.want)
		}
	}
}
