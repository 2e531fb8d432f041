package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/yairfalse/tapio/observers/changes"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func objects(t testing.TB, manifests ...string) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for _, doc := range strings.Split(strings.Join(manifests, "\n---\n"), "\n---\n") {
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
// time field=value ...".
func tell(t *testing.T, objs []runtime.Object) []string {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, now))
	if err != nil {
		t.Fatal(err)
	}
	events := observertest.Run(t, obs, changes.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
	var out []string
	for _, e := range events {
		out = append(out, line(e))
	}
	slices.Sort(out)
	return out
}

func line(e event.Event) string {
	parts := []string{strings.TrimPrefix(string(e.Kind), "changes."), e.Subject().ID, e.At.Format("15:04:05")}
	for _, r := range e.Refs[1:] {
		parts = append(parts, string(r.Role)+":"+r.Key.ID)
	}
	var fields []string
	for name, v := range e.Attrs {
		if name == "since" {
			continue // it is the fact's own time
		}
		fields = append(fields, name+"="+v.String())
	}
	slices.Sort(fields)
	return strings.Join(append(parts, fields...), " ")
}

func pod(name, kind, owner, ready, spec string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: shop, uid: %s, labels: {app: web, controller-revision-hash: %s}, creationTimestamp: "2026-03-01T11:40:00Z", ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, uid: x, controller: true}]}
spec: %s
status: {phase: Running, conditions: [{type: Ready, status: "%s", lastTransitionTime: "2026-03-01T11:41:00Z"}]}`, name, name, strings.ToLower(owner), kind, owner, spec, ready)
}

func set(name, revision, made, container string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: %s, namespace: shop, creationTimestamp: "2026-03-01T%sZ", annotations: {deployment.kubernetes.io/revision: %q}, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}
spec: {replicas: 1, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, %s}]}}}`, name, made, revision, container)
}

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, generation: 4, creationTimestamp: "2026-03-01T09:00:00Z", managedFields: [{manager: kubectl-set, operation: Update, time: "2026-03-01T11:29:59Z"}, {manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-03-01T11:45:00Z"}]}
spec: {replicas: %d, template: {metadata: {labels: {app: web}}}}
status: {conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}`

const app = "{containers: [{name: app, image: x}]}"

func TestRollout(t *testing.T) {
	d := fmt.Sprintf(web, 1)
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{name: "one revision is no change", objs: []string{d, set("web-1", "1", "09:00:00", "image: r/a:1"), pod("p", "ReplicaSet", "web-1", "True", app)}},
		{
			name: "a revision that does not become ready",
			objs: []string{
				d, set("web-1", "1", "09:00:00", `image: "r/a:1", env: [{name: KEPT, value: a}, {name: GONE, value: secret}]`),
				set("web-2", "2", "11:30:00", `image: "r/a:2", env: [{name: KEPT, value: a}, {name: ADDED, value: secret}], livenessProbe: {tcpSocket: {port: 80}}`),
				pod("a", "ReplicaSet", "web-1", "True", app), pod("b", "ReplicaSet", "web-2", "False", app),
			},
			want: []string{"rollout Deployment/shop/web 11:30:00 back=true by=kubectl-set differs=image of app, env ADDED of app, env GONE of app, liveness probe of app " +
				"image_from=r/a:1 image_to=r/a:2 new_pods=1 new_ready=0 old_pods=1 old_ready=1 old_worked=true overdue=true previous=1 revision=2"},
		},
		{
			name: "an old revision that was gone back to", objs: []string{
				d, set("web-1", "3", "09:00:00", "image: r/a:1"), set("web-2", "2", "11:00:00", "image: r/a:2"), pod("a", "ReplicaSet", "web-1", "True", app),
			},
			want: []string{"rollout Deployment/shop/web 11:29:59 back=true by=kubectl-set differs=image of app image_from=r/a:2 image_to=r/a:1 new_pods=1 new_ready=1 old_pods=0 old_ready=0 overdue=true previous=2 revision=3"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestStatefulSet(t *testing.T) {
	db := func(policy string) string {
		return fmt.Sprintf(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop, managedFields: [{manager: helm, operation: Update, time: "2026-03-01T11:50:00Z"}]}
spec: {replicas: 2, podManagementPolicy: %s, template: {metadata: {labels: {app: web}}}}
status: {currentRevision: db-1, updateRevision: db-2}`, policy)
	}
	mine := func(name, revision, ready string) string {
		return strings.Replace(pod(name, "StatefulSet", "db", ready, app), "controller-revision-hash: db", "controller-revision-hash: "+revision, 1)
	}
	revision := func(name, image string) string {
		return fmt.Sprintf("apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: %s, namespace: shop, creationTimestamp: \"2026-03-01T11:50:00Z\"}\nrevision: 1\ndata: {spec: {template: {spec: {containers: [{name: app, image: %q}]}}}}", name, image)
	}
	rollout := "rollout StatefulSet/shop/db 11:50:00 back=true by=helm differs=image of app image_from=a:1 image_to=a:2 new_pods=0 new_ready=0 old_pods=1 old_ready=%d %sprevious=db-1 revision=db-2"
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{
			name: "a broken pod of the old revision stands in the way",
			objs: []string{db("OrderedReady"), mine("db-0", "db-1", "False"), revision("db-1", "a:1"), revision("db-2", "a:2")},
			want: []string{fmt.Sprintf(rollout, 0, ""), "statefulset_blocked StatefulSet/shop/db 11:41:00 peer:db-0 pod=db-0 previous=db-1 revision=db-2 trouble=Running"},
		},
		{
			name: "pods that are not made in order do not wait",
			objs: []string{db("Parallel"), mine("db-0", "db-1", "False"), revision("db-1", "a:1"), revision("db-2", "a:2")},
			want: []string{fmt.Sprintf(rollout, 0, "")},
		},
		{
			name: "the pod is well and will be replaced in its turn",
			objs: []string{db("OrderedReady"), mine("db-0", "db-1", "True"), revision("db-1", "a:1"), revision("db-2", "a:2")},
			want: []string{fmt.Sprintf(rollout, 1, "old_worked=true ")},
		},
		{
			name: "a revision that holds no template",
			objs: []string{db("Parallel"), mine("db-0", "db-1", "False"), "apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: db-1, namespace: shop}\ndata: [1]"},
			want: []string{strings.Replace(fmt.Sprintf(rollout, 0, ""), "differs=image of app image_from=a:1 image_to=a:2 ", "", 1)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestScaledToZero(t *testing.T) {
	const svc = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}"
	caller := pod("c", "ReplicaSet", "caller-1", "True", `{containers: [{name: app, image: x, env: [{name: BACKEND_URL, value: "http://web:80"}]}]}`)
	scaling := "apiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: shop}\ninvolvedObject: {kind: Deployment, namespace: shop, name: web}\nreason: ScalingReplicaSet\nmessage: %s\nlastTimestamp: \"2026-03-01T11:20:00Z\""
	d := fmt.Sprintf(web, 0)
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{
			name: "needed, and scaled down by somebody",
			objs: []string{d, svc, caller, fmt.Sprintf(scaling, "Scaled down replica set web-1 to 0 from 3")},
			want: []string{"scaled_to_zero Deployment/shop/web 11:20:00 peer:shop/web had=3 needed=1"},
		},
		{
			name: "set by a manager that is known",
			objs: []string{strings.Replace(d, `time: "2026-03-01T11:29:59Z"}`, `time: "2026-03-01T11:29:59Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}`, 1), caller},
			want: []string{"scaled_to_zero Deployment/shop/web 11:29:59 by=kubectl-set needed=0"},
		},
		{
			name: "made without pods", objs: []string{strings.Replace(d, "generation: 4", "generation: 1", 1), svc, caller},
			want: []string{"scaled_to_zero Deployment/shop/web 09:00:00 peer:shop/web at_birth=true needed=1"},
		},
		{name: "pods are asked for", objs: []string{fmt.Sprintf(web, 2), svc, caller}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
				t.Error(d)
			}
		})
	}
	for message, want := range map[string]down{
		"Scaled down replica set web-5d to 0 from 3":     {had: 3},
		"Scaled down replica set web-5d from 3 to 0":     {had: 3},
		"Scaled down replica set web-5d to 0":            {},
		"(combined) Scaled down replica set a to 0 from": {},
	} {
		if had, ok := scaledToZero(message); !ok || had != want.had {
			t.Errorf("%q: %d %v", message, had, ok)
		}
	}
	for _, message := range []string{"Scaled down replica set web-5d to 1 from 3", "Scaled up replica set web-5d to 3", "", "Scaled down replica set web-5d to -1"} {
		if _, ok := scaledToZero(message); ok {
			t.Errorf("%q counts as scaled to zero", message)
		}
	}
}

func TestAutoscaler(t *testing.T) {
	scaler := func(condition string) string {
		return fmt.Sprintf(`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: h, namespace: shop, creationTimestamp: "2026-03-01T09:00:00Z"}
spec: {maxReplicas: 5, scaleTargetRef: {kind: Deployment, name: web}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}
status: {currentReplicas: 5, desiredReplicas: 5, conditions: [%s]}`, condition)
	}
	target := func(resources string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 1, template: {spec: {containers: [{name: app, image: x, resources: " + resources + "}]}}}"
	}
	const head = "autoscaler Deployment/shop/web 11:00:00 current=5 desired=5 "
	condition := func(kind, status, reason, message string) string {
		return fmt.Sprintf(`{type: %s, status: "%s", reason: %s, message: %q, lastTransitionTime: "2026-03-01T11:00:00Z"}`, kind, status, reason, message)
	}
	asked := target("{requests: {cpu: 1}}")
	for _, tt := range []struct {
		name, condition, target string
		want                    []string
	}{
		{name: "well", condition: condition("ScalingActive", "True", "ValidMetricFound", ""), target: asked},
		{name: "its target is at zero", condition: condition("ScalingActive", "False", "ScalingDisabled", ""), target: asked},
		{name: "at its minimum", condition: condition("ScalingLimited", "True", "TooFewReplicas", ""), target: asked},
		{
			name: "no metrics server", condition: condition("ScalingActive", "False", "FailedGetResourceMetric", "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"), target: asked,
			want: []string{head + "group=metrics.k8s.io max=5 message=unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io) min=1 name=h problem=metrics reason=FailedGetResourceMetric"},
		},
		{
			name: "no request", condition: condition("ScalingActive", "False", "FailedGetResourceMetric", "missing request for cpu"), target: target("{}"),
			want: []string{head + "lacks=app (cpu) max=5 message=missing request for cpu min=1 name=h problem=request reason=FailedGetResourceMetric"},
		},
		{
			name: "no target", condition: condition("AbleToScale", "False", "FailedGetScale", "not found"), target: asked,
			want: []string{head + "max=5 message=not found min=1 name=h problem=target reason=FailedGetScale"},
		},
		{
			name: "at its maximum", condition: condition("ScalingLimited", "True", "TooManyReplicas", "more"), target: asked,
			want: []string{head + "max=5 message=more min=1 name=h problem=limit reason=TooManyReplicas"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, pod("p", "ReplicaSet", "x", "True", app), scaler(tt.condition), tt.target))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	conf := func(kind, edited string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: %s\nmetadata: {name: conf, namespace: shop, creationTimestamp: \"2026-02-01T09:00:00Z\", managedFields: [{manager: kubectl-edit, operation: Update, time: \"%sZ\"}]}\ndata: {password: c2VjcmV0}", kind, edited)
	}
	user := func(spec string) string {
		return pod("p", "Job", "j", "True", "{"+spec+"containers: [{name: app, image: x}]}")
	}
	const volume = "volumes: [{name: v, %s}], "
	const today, before = "2026-03-01T11:50:00", "2026-02-20T11:50:00"
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{
			name: "a file, edited of late", objs: []string{user(fmt.Sprintf(volume, "configMap: {name: conf}")), conf("ConfigMap", today)},
			want: []string{"edited ConfigMap/shop/conf 11:50:00 peer:Job/shop/j by=kubectl-edit kind=ConfigMap name=conf used=file what=edited"},
		},
		{
			name: "a secret as environment: the pod is older",
			objs: []string{pod("p", "Job", "j", "True", "{containers: [{name: app, image: x, envFrom: [{secretRef: {name: conf}}]}]}"), conf("Secret", today)},
			want: []string{"edited Secret/shop/conf 11:50:00 peer:Job/shop/j by=kubectl-edit kind=Secret name=conf stale=true used=env what=edited"},
		},
		{name: "edited long ago", objs: []string{user(fmt.Sprintf(volume, "secret: {secretName: conf}")), conf("Secret", before)}},
		{name: "nobody uses it", objs: []string{user(""), conf("ConfigMap", today)}},
		{
			name: "policy", objs: []string{user(""), "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: shop, creationTimestamp: \"2026-03-01T11:55:00Z\"}"},
			want: []string{"edited ResourceQuota/shop/q 11:55:00 kind=ResourceQuota name=q what=made"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tell(t, objects(t, tt.objs...))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if strings.Contains(strings.Join(got, ""), "c2VjcmV0") || strings.Contains(strings.Join(got, ""), "=secret") {
				t.Error("a value was told")
			}
		})
	}
	if d := cmp.Diff([]string{"added", "other", "gone"}, changed(map[string]uint64{"same": 1, "other": 2, "gone": 3}, map[string]uint64{"same": 1, "other": 4, "added": 5})); d != "" {
		t.Error(d)
	}
}

func TestTagMoved(t *testing.T) {
	sibling := func(name, ready, id string) string {
		return strings.Replace(pod(name, "ReplicaSet", "web-1", strings.ToUpper(ready[:1])+ready[1:], app), "status: {", fmt.Sprintf("status: {containerStatuses: [{name: app, image: x, ready: %s, imageID: %q}], ", ready, id), 1)
	}
	moved := "tag_moved ReplicaSet/shop/web-1 11:40:00 peer:b bad=sha256:2 bad_pods=1 digests=2 good=sha256:1 good_pods=1 image=x"
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{"two images, one of them works", []string{sibling("a", "true", "x@sha256:1"), sibling("b", "false", "x@sha256:2")}, []string{moved}},
		{"two images, both work", []string{sibling("a", "true", "x@sha256:1"), sibling("b", "true", "x@sha256:2")}, nil},
		{"one image", []string{sibling("a", "true", "x@sha256:1"), sibling("b", "false", "x@sha256:1")}, nil},
	} {
		if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

func TestKeeper(t *testing.T) {
	for meta, want := range map[string]string{
		`labels: {argocd.argoproj.io/instance: shop}`:                                                 "Argo CD shop",
		`annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/web"}`:              "Argo CD shop",
		`labels: {kustomize.toolkit.fluxcd.io/name: apps}`:                                            "Flux apps",
		`annotations: {meta.helm.sh/release-name: rel}, labels: {app.kubernetes.io/managed-by: Helm}`: "Helm rel",
		`ownerReferences: [{apiVersion: x/v1, kind: WebApp, name: site, uid: u, controller: true}]`:   "WebApp site",
		`labels: {app: web}`: "",
	} {
		got := ""
		for _, l := range tell(t, objects(t, pod("p", "Job", "j", "True", app), "apiVersion: apps/v1\nkind: ReplicaSetList\nitems: []",
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, creationTimestamp: \"2026-03-01T09:00:00Z\", "+meta+"}\nspec: {replicas: 1}")) {
			if rest, ok := strings.CutPrefix(l, "keeper Deployment/shop/web 09:00:00 name="); ok {
				name, tool, _ := strings.Cut(rest, " tool=")
				got = tool + " " + name
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", meta, got, want)
		}
	}
}

// TestDiffer names every sort of difference that can break a rollout.
func TestDiffer(t *testing.T) {
	parse := func(spec string) *corev1.PodTemplateSpec {
		objs := objects(t, "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: t}\ntemplate: "+spec)
		tpl := objs[0].(*corev1.PodTemplate).Template
		return &tpl
	}
	base := `{spec: {containers: [{name: app, image: "a:1"}]}}`
	for spec, want := range map[string]string{
		base: "",
		`{spec: {containers: [{name: app, image: "a:2"}]}}`:                                                                    "image of app",
		`{spec: {containers: [{name: app, image: "a:1", args: [x]}]}}`:                                                         "command of app",
		`{spec: {containers: [{name: app, image: "a:1", resources: {limits: {cpu: 1}}}]}}`:                                     "limits of app",
		`{spec: {containers: [{name: app, image: "a:1"}, {name: side, image: b}]}}`:                                            "container side added",
		`{spec: {containers: [{name: other, image: "a:1"}]}}`:                                                                  "container other added, container app removed",
		`{spec: {initContainers: [{name: init, image: b}], containers: [{name: app, image: "a:1"}]}}`:                          "container init added",
		`{spec: {serviceAccountName: s, nodeSelector: {a: b}, containers: [{name: app, image: "a:1"}]}}`:                       "service account, node selector",
		`{spec: {containers: [{name: app, image: "a:1", readinessProbe: {tcpSocket: {port: 1}}}]}}`:                            "readiness probe of app",
		`{metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}}, spec: {containers: [{name: app, image: "a:1"}]}}`: "nothing but a restart",
		`{metadata: {labels: {pod-template-hash: x}}, spec: {containers: [{name: app, image: "a:1"}]}}`:                        "",
	} {
		if got := strings.Join(differ(parse(base), parse(spec)), ", "); got != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}
