package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rules/change"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

func changeCauses(w *window.Window) (out []string, all []finding.Hypothesis) {
	for _, r := range change.Rules() {
		for _, h := range r.Eval(w) {
			all = append(all, h)
			if h.Confidence(w.Ceiling()) >= finding.Supported {
				out = append(out, string(h.Cause))
			}
		}
	}
	return out, all
}

func TestChanges(t *testing.T) {
	web := event.WorkloadKey("Deployment", "shop", "web")
	cache := event.WorkloadKey("Deployment", "shop", "redis")
	svc := event.ServiceKey("shop", "web")
	conf := event.Key{Type: event.Config, ID: "ConfigMap/shop/conf"}
	zero := func(needed int64, since float64, birth bool) func(*event.Event) {
		return func(e *event.Event) {
			changes.Needed.Set(e, needed)
			changes.Had.Set(e, 3)
			if since != 0 {
				changes.Since.Set(e, facts.At(since).Unix())
			}
			changes.AtBirth.Set(e, birth)
		}
	}
	edited := func(e *event.Event) {
		changes.What.Set(e, changes.Edit)
		changes.Kind.Set(e, "ConfigMap")
		changes.Name.Set(e, "conf")
		changes.By.Set(e, "kubectl-edit")
	}
	scaler := func(problem, group string) func(*event.Event) {
		return func(e *event.Event) {
			changes.Name.Set(e, "h")
			changes.Problem.Set(e, problem)
			changes.Reason.Set(e, "FailedGetResourceMetric")
			changes.Max.Set(e, 5)
			if group != "" {
				changes.Group.Set(e, group)
			}
			if problem == changes.Ask {
				changes.Lacks.Set(e, "app (cpu)")
			}
		}
	}
	over := func(of func(*event.Event)) func(*event.Event) {
		return func(e *event.Event) { of(e); changes.Over.Set(e, true) }
	}
	for _, tt := range []struct {
		name string
		set  func(*facts.Set)
		want string
		says string
	}{
		{
			name: "scaled to zero and needed", want: "change/scaled-to-zero", says: "web: scaled from 3 to 0 pods since 13:55:00 UTC; it is named by 2 other pods",
			set: func(s *facts.Set) { s.Change(changes.Scaled, -300, web, zero(2, -300, false), svc) },
		},
		{
			name: "at zero for long, and nobody names it",
			set:  func(s *facts.Set) { s.Change(changes.Scaled, -90000, web, zero(0, -90000, false), svc) },
		},
		{
			name: "at zero for long, and calls fail", want: "change/scaled-to-zero",
			set: func(s *facts.Set) {
				s.Change(changes.Scaled, -90000, web, zero(0, -90000, false), svc)
				s.Complains(redis, -60, -5, 9, logs.Refused, "shop", "web")
			},
		},
		{
			name: "a job's worker that is at zero by design",
			set:  func(s *facts.Set) { s.Change(changes.Scaled, -90000, web, zero(0, 0, true)) },
		},
		{
			name: "scaled up again", set: func(s *facts.Set) {
				s.Change(changes.Scaled, -300, web, zero(2, -300, false), svc)
				s.Change(changes.Scaled, -30, web, over(zero(2, -300, false)), svc)
			},
		},
		{
			name: "a rollout that does not become ready", want: "change/bad-rollout", says: "redis: revision 2 does not become ready, revision 1 did; what differs: image of app",
			set: func(s *facts.Set) { s.Change(changes.Rollout, -120, cache, facts.Rolled(1, 0, 2, 2)) },
		},
		{
			name: "a rollout that has just begun",
			set:  func(s *facts.Set) { s.Change(changes.Rollout, -10, cache, facts.Rolled(1, 0, 2, 2)) },
		},
		{
			name: "a rollout that is done",
			set:  func(s *facts.Set) { s.Change(changes.Rollout, -120, cache, facts.Rolled(2, 2, 0, 0)) },
		},
		{
			name: "both revisions are not ready: something else ails them",
			set:  func(s *facts.Set) { s.Change(changes.Rollout, -120, cache, facts.Rolled(1, 0, 2, 0)) },
		},
		{
			name: "ends begin after an edit", want: "change/config-change", says: "fail since ConfigMap conf was edited, 20s before the first end",
			set: func(s *facts.Set) {
				s.Change(changes.Edited, -120, conf, edited, cache)
				s.Ended(redis, -110, -100, "Error", 1, "")
				s.Ended(redis, -90, -60, "Error", 1, "")
			},
		},
		{
			name: "ends began before the edit", set: func(s *facts.Set) {
				s.Change(changes.Edited, -120, conf, edited, cache)
				s.Ended(redis, -190, -180, "Error", 1, "")
				s.Ended(redis, -110, -100, "Error", 1, "")
			},
		},
		{
			name: "an edit and no trouble", set: func(s *facts.Set) { s.Change(changes.Edited, -120, conf, edited, cache) },
		},
		{
			name: "a StatefulSet that waits for its broken pod", want: "change/statefulset-stuck", says: "its rollout waits for redis-0",
			set: func(s *facts.Set) {
				s.Change(changes.Blocked, -120, cache, func(e *event.Event) {
					changes.Pod.Set(e, "redis-0")
					changes.Previous.Set(e, "r1")
					changes.Revision.Set(e, "r2")
				}, redis.Key())
			},
		},
		{
			name: "a tag that was moved", want: "image/tag-moved",
			set: func(s *facts.Set) {
				s.Change(changes.TagMoved, -120, cache, func(e *event.Event) { changes.Image.Set(e, "redis:7"); changes.Good.Set(e, "sha256:1") }, redis.Key())
			},
		},
		{
			name: "an autoscaler without a request", want: "change/hpa-wrong", says: "no request set: app (cpu)",
			set: func(s *facts.Set) { s.Change(changes.Autoscaler, -120, cache, scaler(changes.Ask, "")) },
		},
		{
			name: "metrics are not served", want: "node/aggregated-api-down", says: "the API group metrics.k8s.io does not answer, so that redis is not scaled",
			set: func(s *facts.Set) {
				s.Change(changes.Autoscaler, -120, cache, scaler(changes.Metric, "metrics.k8s.io"))
			},
		},
		{
			name: "an autoscaler at its maximum that copes",
			set:  func(s *facts.Set) { s.Change(changes.Autoscaler, -120, cache, scaler(changes.Limit, "")) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &facts.Set{}
			s.Pod(redis, -600, running(-500, 0))
			tt.set(s)
			w := s.Namespace(0, "shop")
			got, all := changeCauses(w)
			if strings.Join(got, " ") != tt.want {
				t.Fatalf("supported %v, want %q", got, tt.want)
			}
			if tt.want == "" {
				return
			}
			if h := all[0]; !strings.Contains(h.Headline, tt.says) || len(h.Chain) == 0 || len(h.Advice) == 0 {
				t.Errorf("%q lacks %q, or there is no chain or advice", h.Headline, tt.says)
			}
			if doc := correlate.Explain(w); doc.Verdict != story.Explained || doc.Hypotheses[0].Cause != tt.want {
				t.Errorf("the story is %s: %s", doc.Verdict, doc.Headline)
			}
		})
	}
}

// TestRolloutYields: what the new pods fail at is the root, the rollout a change
// that the story tells.
func TestRolloutYields(t *testing.T) {
	s := &facts.Set{}
	s.Pod(redis, -10, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 3})
	s.Ended(redis, -40, -30, "OOMKilled", 137, "")
	s.Change(changes.Rollout, -120, event.WorkloadKey("Deployment", "shop", "redis"), facts.Rolled(1, 0, 1, 1))
	doc := correlate.Explain(s.Window(0, false, redis))
	if h := doc.Hypotheses[0]; !strings.HasPrefix(h.Cause, "memory/") {
		t.Errorf("leader %s: %s", h.Cause, doc.Headline)
	}
	found := false
	for _, c := range doc.Changes {
		found = found || strings.Contains(c.What, "revision 2 replaces 1: image of app") && c.By == "kubectl-set"
	}
	if !found {
		t.Errorf("changes: %+v", doc.Changes)
	}
}

// TestKeeperTakesBack: what a tool keeps as it is must be changed there.
func TestKeeperTakesBack(t *testing.T) {
	web := event.WorkloadKey("Deployment", "shop", "web")
	s := &facts.Set{}
	s.Pod(redis, -600, running(-500, 0))
	s.Change(changes.Scaled, -300, web, func(e *event.Event) { changes.Needed.Set(e, 2); changes.Had.Set(e, 3) }, event.ServiceKey("shop", "web"))
	s.Change(changes.Keeper, -9000, web, func(e *event.Event) { changes.Tool.Set(e, "Argo CD"); changes.Name.Set(e, "shop-prod") })
	doc := correlate.Explain(s.Namespace(0, "shop"))
	if a := doc.Hypotheses[0].Advice[0]; !strings.Contains(a.Expect, "Argo CD (shop-prod) keeps web as it is: make the change there, or it is taken back") {
		t.Errorf("advice: %+v", a)
	}
}
