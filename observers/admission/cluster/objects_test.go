package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func objects(t testing.TB, manifests ...string) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for _, doc := range strings.Split(strings.Join(manifests, "\n---\n"), "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		raw, err := yaml.ToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		out = append(out, obj)
	}
	return out
}

// tell runs the observer over objects and renders each fact as "kind subject
// field=value ...", without the fields of time.
func tell(t *testing.T, objs []runtime.Object) []string {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, now))
	if err != nil {
		t.Fatal(err)
	}
	events := observertest.Run(t, obs, admission.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
	var out []string
	for _, e := range events {
		out = append(out, line(e))
	}
	slices.Sort(out)
	return out
}

func line(e event.Event) string {
	parts := []string{strings.TrimPrefix(string(e.Kind), "admission."), e.Subject().ID}
	for _, r := range e.Refs[1:] {
		parts = append(parts, string(r.Role)+":"+r.Key.ID)
	}
	var fields []string
	for name, v := range e.Attrs {
		switch name {
		case "created", "edited", "refused_first", "refused_last":
			continue
		}
		fields = append(fields, fmt.Sprintf("%s=%s", name, v))
	}
	slices.Sort(fields)
	return strings.Join(append(parts, fields...), " ")
}

// pods makes n pods of a ReplicaSet.
func pods(n int, set string) string {
	var docs []string
	for i := range n {
		docs = append(docs, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s-%[2]d, namespace: shop, uid: %[1]s-%[2]d, labels: {app: web}, creationTimestamp: "2026-03-01T11:00:00Z", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: %[1]s, uid: "%[1]s", controller: true}]}
spec: {containers: [{name: app, image: x}]}
status: {phase: Running}`, set, i))
	}
	return strings.Join(docs, "\n---\n")
}

// set is a ReplicaSet of Deployment web with the given replicas and pod spec.
func set(name string, replicas int, spec string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: %s, namespace: shop, uid: %[1]s, creationTimestamp: "2026-03-01T11:00:00Z", ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: %s}
`, name, replicas, spec)
}

func happened(reason, kind, name, message, last string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Event
metadata: {name: %s-%s-%s, namespace: shop}
involvedObject: {kind: %s, namespace: shop, name: %s}
reason: %s
message: %q
type: Warning
count: 3
firstTimestamp: "2026-03-01T11:30:00Z"
lastTimestamp: "2026-03-01T%sZ"
`, strings.ToLower(reason), name, strings.ReplaceAll(last, ":", ""), kind, name, reason, message, last)
}

func quota(name, hard, used string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: ResourceQuota
metadata: {name: %s, namespace: shop, creationTimestamp: "2026-03-01T11:10:00Z"}
spec: {hard: %s}
status: {hard: %s, used: %s}
`, name, hard, hard, used)
}

const (
	oneContainer = `{containers: [{name: app, image: x}]}`
	sized        = `{containers: [{name: app, image: x, resources: {requests: {cpu: 100m, memory: 300Mi}, limits: {memory: 400Mi}}}]}`
	noQuotas     = "apiVersion: v1\nkind: ResourceQuotaList\nitems: []\n"
	accounts     = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: shop}\n"
)

func TestFacts(t *testing.T) {
	refused := happened("FailedCreate", "ReplicaSet", "web-1", "no", "11:59:50")
	short := "short Deployment/shop/web desired=3 message=no pods=1 refusals=3 refused=true set=web-1"
	tests := []struct {
		name string
		objs []string
		want []string
	}{
		{
			name: "all pods are there: a full quota is only told as full",
			objs: []string{set("web-1", 1, oneContainer), pods(1, "web-1"), quota("q", `{pods: "1"}`, `{pods: "1"}`), refused},
			want: []string{"quota shop full=true hard=1 name=q resource=pods used=1"},
		},
		{
			name: "one pod more than the quota",
			objs: []string{set("web-1", 3, oneContainer), pods(1, "web-1"), quota("q", `{pods: "1"}`, `{pods: "1"}`), refused, accounts},
			want: []string{
				"exceeds Deployment/shop/web limit:shop enough=3 hard=1 name=q needs=1 resource=pods used=1",
				"quota shop full=true hard=1 name=q resource=pods used=1",
				short,
			},
		},
		{
			name: "room in the quota",
			objs: []string{set("web-1", 3, oneContainer), pods(1, "web-1"), quota("q", `{pods: "9"}`, `{pods: "1"}`), refused, accounts},
			want: []string{short},
		},
		{
			name: "requests and limits are summed and tried one by one",
			objs: []string{
				set("web-1", 3, sized), pods(1, "web-1"), refused, accounts,
				quota("q", `{requests.memory: 1Gi, limits.memory: 500Mi, cpu: 150m}`, `{requests.memory: 300Mi, limits.memory: 400Mi, cpu: 100m}`),
			},
			want: []string{
				"exceeds Deployment/shop/web limit:shop enough=1200Mi hard=500Mi name=q needs=400Mi resource=limits.memory used=400Mi",
				"exceeds Deployment/shop/web limit:shop enough=300m hard=150m name=q needs=100m resource=cpu used=100m",
				short,
			},
		},
		{
			name: "the quota demands what the template does not set",
			objs: []string{set("web-1", 3, oneContainer), pods(1, "web-1"), refused, accounts, quota("q", `{limits.memory: 1Gi}`, `{limits.memory: "0"}`)},
			want: []string{"exceeds Deployment/shop/web limit:shop hard=1Gi name=q needs=0 resource=limits.memory unset=true used=0", short},
		},
		{
			name: "a default of a limit range counts as set",
			objs: []string{
				set("web-1", 3, oneContainer), pods(1, "web-1"), refused, accounts, quota("q", `{limits.memory: 1Gi}`, `{limits.memory: "0"}`),
				"apiVersion: v1\nkind: LimitRange\nmetadata: {name: r, namespace: shop}\nspec: {limits: [{type: Container, default: {memory: 64Mi}}]}",
			},
			want: []string{short},
		},
		{
			name: "a quota for other pods",
			objs: []string{
				set("web-1", 3, sized), pods(1, "web-1"), refused, accounts,
				strings.Replace(quota("q", `{pods: "1"}`, `{pods: "1"}`), "spec: {", "spec: {scopes: [BestEffort], ", 1),
			},
			want: []string{"quota shop full=true hard=1 name=q resource=pods used=1", short},
		},
		{
			name: "refused once, made since",
			objs: []string{set("web-1", 3, oneContainer), pods(1, "web-1"), refused, noQuotas, happened("SuccessfulCreate", "ReplicaSet", "web-1", "made", "11:59:55")},
			want: []string{"short Deployment/shop/web desired=3 message=no pods=1 refusals=3 refused=false set=web-1"},
		},
		{
			name: "the status tells a refusal when Events are gone",
			objs: []string{
				strings.Replace(set("web-1", 1, oneContainer), "spec:", "status: {replicas: 0, conditions: [{type: ReplicaFailure, status: \"True\", reason: FailedCreate, message: \"no\"}]}\nspec:", 1),
				pods(1, "other"), noQuotas,
			},
			want: []string{"short Deployment/shop/web desired=1 message=no pods=0 refused=true set=web-1"},
		},
		{
			name: "limit range: above the maximum, below the minimum, ratio",
			objs: []string{
				set("web-1", 3, sized), pods(1, "web-1"), refused, accounts,
				"apiVersion: v1\nkind: LimitRange\nmetadata: {name: r, namespace: shop}\nspec: {limits: [{type: Container, max: {memory: 350Mi}, min: {cpu: 200m}}, {type: Pod, maxLimitRequestRatio: {memory: \"1\"}}]}",
			},
			want: []string{
				"out_of_range Deployment/shop/web limit:shop asked=100m container=app limit=200m name=r resource=cpu rule=min",
				"out_of_range Deployment/shop/web limit:shop asked=400Mi container=app limit=350Mi name=r resource=memory rule=max",
				"out_of_range Deployment/shop/web limit:shop asked=400Mi/300Mi limit=1 name=r resource=memory rule=ratio",
				short,
			},
		},
		{
			name: "the service account is missing",
			objs: []string{set("web-1", 3, `{serviceAccountName: who, containers: [{name: app, image: x}]}`), pods(1, "web-1"), refused, accounts},
			want: []string{"no_account Deployment/shop/web limit:shop name=who", short},
		},
		{
			name: "the service account is there",
			objs: []string{set("web-1", 3, `{serviceAccountName: default, containers: [{name: app, image: x}]}`), pods(1, "web-1"), refused, accounts},
			want: []string{short},
		},
		{
			name: "accounts of other namespaces say nothing",
			objs: []string{set("web-1", 3, oneContainer), pods(1, "web-1"), refused, strings.Replace(accounts, "shop", "other", 1)},
			want: []string{short},
		},
		{
			name: "pod security",
			objs: []string{
				set("web-1", 3, `{hostNetwork: true, containers: [{name: app, image: x}]}`), pods(1, "web-1"), refused, accounts,
				"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}",
			},
			want: []string{"pod_security Deployment/shop/web limit:shop breaks=host namespaces level=baseline", short},
		},
		{
			name: "a webhook whose Service has no backend",
			objs: []string{
				set("web-1", 3, oneContainer), pods(1, "web-1"), accounts,
				happened("FailedCreate", "ReplicaSet", "web-1", `Error creating: Internal error occurred: failed calling webhook "check.example.org": no endpoints`, "11:59:50"),
				`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: c}
webhooks: [{name: check.example.org, failurePolicy: Fail, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {service: {namespace: tools, name: check}}, rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}]`,
				"apiVersion: v1\nkind: Service\nmetadata: {name: check, namespace: tools}\nspec: {selector: {a: b}}",
				"apiVersion: discovery.k8s.io/v1\nkind: EndpointSliceList\nitems: []",
			},
			want: []string{
				"hook Deployment/shop/web peer:tools/check backends=0 closed=true down=true hook_kind=validating name=check.example.org",
				`short Deployment/shop/web desired=3 message=Error creating: Internal error occurred: failed calling webhook "check.example.org": no endpoints pods=1 refusals=3 refused=true set=web-1`,
			},
		},
		{
			name: "a StatefulSet in order waits for its pod, and its claims count",
			objs: []string{
				`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop, creationTimestamp: "2026-03-01T11:00:00Z"}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: app, image: x}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: fast, resources: {requests: {storage: 5Gi}}}}]
status: {replicas: 1, readyReplicas: 0}`,
				pods(0, "x"), "apiVersion: v1\nkind: PodList\nitems: []", accounts,
				quota("q", `{requests.storage: 4Gi, fast.storageclass.storage.k8s.io/requests.storage: 9Gi, persistentvolumeclaims: "1"}`,
					`{requests.storage: "0", fast.storageclass.storage.k8s.io/requests.storage: "0", persistentvolumeclaims: "1"}`),
			},
			want: []string{
				"exceeds StatefulSet/shop/db limit:shop enough=10Gi hard=4Gi name=q needs=5Gi resource=requests.storage used=0",
				"exceeds StatefulSet/shop/db limit:shop enough=3 hard=1 name=q needs=1 resource=persistentvolumeclaims used=1",
				"quota shop full=true hard=1 name=q resource=persistentvolumeclaims used=1",
				"short StatefulSet/shop/db desired=2 pods=0 refused=false waits=true",
			},
		},
		{
			name: "jobs that are over, suspended or wait want no pod",
			objs: []string{
				"apiVersion: v1\nkind: PodList\nitems: []", noQuotas,
				job("done", "{template: {spec: {containers: [{name: a}]}}}", `{completionTime: "2026-03-01T11:00:00Z", succeeded: 1}`),
				job("held", "{suspend: true, template: {spec: {containers: [{name: a}]}}}", "{}"),
				job("tried", "{template: {spec: {containers: [{name: a}]}}}", "{failed: 1}"),
				job("lost", "{parallelism: 3, completions: 4, template: {spec: {containers: [{name: a}]}}}", "{succeeded: 2}"),
			},
			want: []string{"short Job/shop/lost desired=2 pods=0 refused=false"},
		},
		{
			name: "no Service can be made, and a port that is named has none",
			objs: []string{
				set("web-1", 1, oneContainer),
				strings.Replace(pods(1, "web-1"), "image: x}", "image: x, ports: [{containerPort: 80}]}", 1),
				quota("q", `{services: "1"}`, `{services: "1"}`),
				"apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: shop}\nspec: {selector: {app: other}}",
				"apiVersion: v1\nkind: Pod\nmetadata: {name: caller, namespace: shop, uid: c}\nspec: {containers: [{name: a, image: x, env: [{name: BACKEND_URL, value: \"http://web:80\"}]}]}",
			},
			want: []string{"quota shop full=true hard=1 name=q resource=services used=1", "unserved Deployment/shop/web named_by=1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := slices.DeleteFunc(tell(t, objects(t, tt.objs...)), func(s string) bool { return strings.HasPrefix(s, "mutated") })
			slices.Sort(tt.want)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func job(name, spec, status string) string {
	return fmt.Sprintf("apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s, namespace: shop, creationTimestamp: \"2026-03-01T11:00:00Z\"}\nspec: %s\nstatus: %s", name, spec, status)
}

func TestMutated(t *testing.T) {
	pod := func(meta, container string) string {
		return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: web-1-a, namespace: shop, uid: u, %s ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: "web-1", controller: true}]}
spec: {containers: [{name: app, %s}]}
status: {phase: Running}`, meta, container)
	}
	const asTemplate = "image: x, resources: {requests: {cpu: 100m, memory: 300Mi}, limits: {memory: 400Mi}}"
	hook := `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: c}
webhooks:
- {name: shrink.example.org, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: "https://x"}, rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
- {name: services.example.org, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: "https://x"}, rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [services]}]}`
	for _, tt := range []struct {
		name, pod string
		extra     []string
		want      []string
	}{
		{name: "as the template says", pod: pod("", asTemplate)},
		{name: "a sidecar was added", pod: pod("", asTemplate+"}, {name: proxy, image: proxy")},
		{
			name: "limit lowered", pod: pod("", "image: x, resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {memory: 16Mi}}"), extra: []string{hook},
			want: []string{
				"mutated u/app owner:u actual=16Mi lowered=true part=limits.memory suspects=shrink.example.org template=400Mi",
				"mutated u/app owner:u actual=16Mi lowered=true part=requests.memory suspects=shrink.example.org template=300Mi",
			},
		},
		{
			name: "resized in place", pod: pod("generation: 2, ", "image: x, resources: {requests: {cpu: 100m, memory: 300Mi}, limits: {memory: 500Mi}}"),
			want: []string{"mutated u/app owner:u actual=500Mi by=resize part=limits.memory template=400Mi"},
		},
		{
			name: "a limit range filled in", pod: pod(`annotations: {kubernetes.io/limit-ranger: "LimitRanger plugin set: cpu limit"}, `, "image: x, resources: {requests: {cpu: 100m, memory: 300Mi}, limits: {cpu: 50m, memory: 400Mi}}"),
			want: []string{"mutated u/app owner:u actual=50m by=LimitRange lowered=true part=limits.cpu"},
		},
		{
			name: "another image", pod: pod("", strings.Replace(asTemplate, "image: x", "image: mirror/x", 1)),
			want: []string{"mutated u/app owner:u actual=mirror/x part=image template=x"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tell(t, objects(t, append(tt.extra, set("web-1", 1, sized), tt.pod)...))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
