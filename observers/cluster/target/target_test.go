package target

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/yairfalse/tapio/observers/cluster"
)

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("u-" + name)}
}

func owner(kind, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID("u-" + name), Controller: &yes}}
}

func pod(name, app string, owners []metav1.OwnerReference) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: named(name)}
	p.Labels, p.OwnerReferences = map[string]string{"app": app}, owners
	p.Spec.NodeName = "n1"
	return p
}

func selector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func deployment(name string) *appsv1.Deployment {
	meta := named(name)
	meta.Labels = map[string]string{"app": name}
	return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector(name)}}
}

func replicaSet(name, app string) *appsv1.ReplicaSet {
	rs := &appsv1.ReplicaSet{ObjectMeta: named(name), Spec: appsv1.ReplicaSetSpec{Selector: selector(app)}}
	rs.OwnerReferences, rs.Labels = owner("Deployment", app), map[string]string{"app": app}
	return rs
}

func service(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: named(name), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name}}}
}

// shop is a namespace with one of each.
func shop() []runtime.Object {
	elsewhere := pod("far-1", "api", nil)
	elsewhere.Namespace, elsewhere.Spec.NodeName = "bi", "n2"
	byHand := &corev1.Service{ObjectMeta: named("by-hand")}
	job := &batchv1.Job{ObjectMeta: named("report-1"), Spec: batchv1.JobSpec{Selector: selector("report")}}
	job.OwnerReferences = owner("CronJob", "report")
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}},
		deployment("api"), replicaSet("api-1", "api"), replicaSet("api-2", "api"),
		pod("api-1-a", "api", owner("ReplicaSet", "api-1")), pod("api-2-a", "api", owner("ReplicaSet", "api-2")),
		pod("stray", "api", nil), // carries the labels, belongs to nobody
		&appsv1.StatefulSet{ObjectMeta: named("db"), Spec: appsv1.StatefulSetSpec{Selector: selector("db")}},
		pod("db-0", "db", owner("StatefulSet", "db")),
		&appsv1.DaemonSet{ObjectMeta: named("log"), Spec: appsv1.DaemonSetSpec{Selector: selector("log")}},
		pod("log-x", "log", owner("DaemonSet", "log")),
		&batchv1.CronJob{ObjectMeta: named("report")}, job, pod("report-1-x", "report", owner("Job", "report-1")),
		deployment("twice"), &appsv1.StatefulSet{ObjectMeta: named("twice"), Spec: appsv1.StatefulSetSpec{Selector: selector("twice")}},
		service("db"), service("front"), byHand, pod("front-x", "front", nil),
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "by-hand-1", Labels: map[string]string{discoveryv1.LabelServiceName: "by-hand"}},
			Endpoints:  []discoveryv1.Endpoint{{TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: "u-stray"}}, {}},
		},
		elsewhere,
	}
}

func resolve(t *testing.T, o Options, objs ...runtime.Object) (*Target, error) {
	t.Helper()
	if o.Client == nil {
		o.Client = fake.NewClientset(objs...)
	}
	if o.Namespace == "" {
		o.Namespace = "shop"
	}
	return Resolve(t.Context(), nil, o)
}

// brief is a target in one line: what, workload, pods.
func brief(t *Target) string {
	var pods []string
	for _, p := range t.Pods {
		pods = append(pods, p.Name)
	}
	slices.Sort(pods)
	return strings.TrimSpace(t.String() + " " + t.Workload.ID + " [" + strings.Join(pods, " ") + "]")
}

func TestResolve(t *testing.T) {
	api := "deployment/api Deployment/shop/api [api-1-a api-2-a]"
	tests := []struct {
		name string
		o    Options
		want string // or, with a leading "!", part of the error
	}{
		{"pod", Options{Args: []string{"pod", "api-1-a"}}, "pod/api-1-a Deployment/shop/api [api-1-a]"},
		{"pod with slash", Options{Args: []string{"po/db-0"}}, "pod/db-0 StatefulSet/shop/db [db-0]"},
		{"pod without owner", Options{Args: []string{"pod/stray"}}, "pod/stray  [stray]"},
		{"deployment", Options{Args: []string{"deploy/api"}}, api},
		{"deployment with group", Options{Args: []string{"deployments.v1.apps/api"}}, api},
		{"upper case", Options{Args: []string{"Deployment", "api"}}, api},
		{"wrong group", Options{Args: []string{"deployments.example.com/api"}}, "!no kind"},
		{"statefulset", Options{Args: []string{"sts/db"}}, "statefulset/db StatefulSet/shop/db [db-0]"},
		{"daemonset", Options{Args: []string{"ds", "log"}}, "daemonset/log DaemonSet/shop/log [log-x]"},
		{"replicaset", Options{Args: []string{"rs/api-1"}}, "replicaset/api-1 ReplicaSet/shop/api-1 [api-1-a]"},
		{"job", Options{Args: []string{"job/report-1"}}, "job/report-1 Job/shop/report-1 [report-1-x]"},
		{"cronjob", Options{Args: []string{"cj/report"}}, "cronjob/report CronJob/shop/report [report-1-x]"},
		{"service", Options{Args: []string{"svc", "db"}}, "service/db StatefulSet/shop/db [db-0]"},
		{"service of a bare pod", Options{Args: []string{"svc/front"}}, "service/front  [front-x]"},
		{"service without selector", Options{Args: []string{"svc/by-hand"}}, "service/by-hand  [stray]"},
		{"node", Options{Args: []string{"node", "n1"}}, "node/n1  [api-1-a api-2-a db-0 front-x log-x report-1-x stray]"},
		{"several", Options{Args: []string{"deploy/api", "sts/db"}}, "pods/deployment/api,statefulset/db  [api-1-a api-2-a db-0]"},
		{"several of a kind", Options{Args: []string{"pod", "api-1-a", "api-2-a"}}, "pods/pod/api-1-a,pod/api-2-a Deployment/shop/api [api-1-a api-2-a]"},
		{"namespace", Options{}, "namespace/shop  [api-1-a api-2-a db-0 front-x log-x report-1-x stray]"},
		{"namespace by name", Options{Args: []string{"ns/bi"}}, "namespace/bi  [far-1]"},
		{"all namespaces", Options{AllNamespaces: true}, "all namespaces  [api-1-a api-2-a db-0 far-1 front-x log-x report-1-x stray]"},
		{"selector", Options{Selector: "app=api"}, "pods/app=api  [api-1-a api-2-a stray]"},
		{"selector with pods", Options{Args: []string{"pods"}, Selector: "app=db"}, "pods/app=db StatefulSet/shop/db [db-0]"},
		{"selector with a kind", Options{Args: []string{"deploy"}, Selector: "app in (api,twice)"}, "pods/deployment/api,deployment/twice  [api-1-a api-2-a]"},
		{"selector of a kind that matches nothing", Options{Args: []string{"sts"}, Selector: "a=b"}, `!no statefulset in namespace "shop" matches the selector "a=b"`},
		{"selector everywhere", Options{AllNamespaces: true, Selector: "app in (api)"}, "pods/app in (api)  [api-1-a api-2-a far-1 stray]"},

		{"word: workload", Options{Args: []string{"api"}}, api},
		{"word: workload before Service", Options{Args: []string{"db"}}, "statefulset/db StatefulSet/shop/db [db-0]"},
		{"word: pod", Options{Args: []string{"front-x"}}, "pod/front-x  [front-x]"},
		{"word: Service", Options{Args: []string{"front"}}, "service/front  [front-x]"},
		{"word: pods of one workload begin with it", Options{Args: []string{"api-"}}, api},
		{"word: a pod begins with it", Options{Args: []string{"str"}}, "pod/stray  [stray]"},
		{"word: two workloads", Options{Args: []string{"twice"}}, `!"twice" could be deployment/twice or statefulset/twice: name one of them with its type`},
		{"word: a Job's pod begins with it", Options{Args: []string{"r"}}, "job/report-1 Job/shop/report-1 [report-1-x]"},
		{"word: nothing", Options{Args: []string{"zzz"}}, `!there is no workload, pod or Service "zzz" in namespace "shop"`},
		{"word: a kind", Options{Args: []string{"deploy"}}, `!"deploy" is a kind: name the deployment too, as in deploy/NAME`},

		{"no such pod", Options{Args: []string{"pod/db-1"}}, `!there is no pod "db-1" in namespace "shop": did you mean db-0`},
		{"no such deployment", Options{Args: []string{"deploy/apu"}}, `!there is no deployment "apu" in namespace "shop": did you mean api?`},
		{"no such service", Options{Args: []string{"svc/fron"}}, `!did you mean front?`},
		{"no such node", Options{Args: []string{"node/n9"}}, `!there is no node "n9": did you mean n1?`},
		{"no such namespace", Options{Args: []string{"ns/nowhere"}}, `!there is no namespace "nowhere"`},
		{"selector that matches nothing", Options{Selector: "app=zzz"}, `!no pod in namespace "shop" matches the selector "app=zzz"`},
		{"bad selector", Options{Selector: "a=b=c"}, "!not valid"},
		{"selector with a name", Options{Args: []string{"deploy/api"}, Selector: "a=b"}, "!no name may be given"},
		{"selector of unknown kinds", Options{Args: []string{"widgets"}, Selector: "a=b"}, "!no kind"},
		{"all and a name", Options{AllNamespaces: true, Args: []string{"api"}}, "!together with all namespaces"},
		{"mixed forms", Options{Args: []string{"deploy/api", "db"}}, "!do not mix"},
		{"no name", Options{Args: []string{"deploy/"}}, "!write it as TYPE/NAME"},
		{"two slashes", Options{Args: []string{"a/b/c"}}, "!write it as TYPE/NAME"},
		{"unknown kind", Options{Args: []string{"widget/x"}}, `!no kind`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkResolve(t, tt.o, tt.want) })
		t.Run(tt.name+" from files", func(t *testing.T) {
			src := cluster.FromObjects(shop(), nil, time.Time{})
			tt.o.Source = &src
			checkResolve(t, tt.o, tt.want)
		})
	}
}

func checkResolve(t *testing.T, o Options, line string) {
	got, err := resolve(t, o, shop()...)
	if want, bad := strings.CutPrefix(line, "!"); bad {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got error %v, want %q", err, want)
		}
		if strings.ContainsAny(err.Error(), "\n") || len(err.Error()) > 160 {
			t.Errorf("not one sentence: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := brief(got); s != line {
		t.Errorf("got  %s\nwant %s", s, line)
	}
	scope := got.Scope()
	for _, p := range got.Pods {
		if !scope.Has(p) {
			t.Errorf("the scope leaves out %s", p.Name)
		}
	}
	if !got.Whole() && scope.Has(pod("stranger", "stranger", nil)) && got.Kind != "Node" {
		t.Error("the scope takes in a stranger")
	}
}

// TestScopeOfLaterPods: what is made later belongs to the target as well.
func TestScopeOfLaterPods(t *testing.T) {
	tests := []struct {
		target string
		later  *corev1.Pod
		want   bool
	}{
		{"deploy/api", pod("new", "api", owner("ReplicaSet", "api-5d9f")), true},
		{"deploy/api", pod("new", "api", owner("ReplicaSet", "api-v2-5d9f")), false},
		{"deploy/api", pod("new", "api", owner("Job", "api-5d9f")), false},
		{"deploy/api", pod("new", "web", owner("ReplicaSet", "api-1")), false},
		{"sts/db", pod("db-7", "db", owner("StatefulSet", "db")), true},
		{"cj/report", pod("new", "x", owner("Job", "report-29000")), true},
		{"svc/db", pod("new", "db", nil), true},
		{"pod/stray", pod("stray2", "api", nil), false},
		{"node/n1", pod("new", "x", nil), true},
	}
	for _, tt := range tests {
		got, err := resolve(t, Options{Args: []string{tt.target}}, shop()...)
		if err != nil {
			t.Fatal(err)
		}
		if got.Scope().Has(tt.later) != tt.want {
			t.Errorf("%s: %s of %v: want %v", tt.target, tt.later.Name, tt.later.OwnerReferences, tt.want)
		}
	}
	n, _ := resolve(t, Options{Args: []string{"node/n1"}}, shop()...)
	if n.LiveOptions().Node != "n1" {
		t.Error("a node's pods are not selected at the server")
	}
}

// FuzzResolve: whatever is typed and whatever owns whom, a target or one
// sentence comes back.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"api", "pod/api-1-a", "deploy api", "-", "/", "ns/\x00", strings.Repeat("a/", 200)} {
		f.Add(s, "ReplicaSet", "api-1")
	}
	f.Fuzz(func(t *testing.T, word, kind, name string) {
		ring := replicaSet("ring", "api")
		ring.OwnerReferences = owner("ReplicaSet", "ring")
		src := cluster.FromObjects(append(shop(), ring, pod("odd", "api", owner(kind, name)), pod("in-ring", "api", owner("ReplicaSet", "ring"))), nil, time.Time{})
		got, err := Resolve(t.Context(), nil, Options{Args: strings.Fields(word), Namespace: "shop", Source: &src})
		switch {
		case (got == nil) == (err == nil):
			t.Errorf("%v, %v", got, err)
		case err == nil:
			scope := got.Scope()
			for _, p := range got.Pods {
				if !scope.Has(p) {
					t.Errorf("the scope leaves out %s", p.Name)
				}
			}
		}
	})
}
