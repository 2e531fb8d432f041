package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/services"
)

// serving is a ready pod of the Deployment app that declares ports.
func serving(name, app string, labels map[string]string, ports ...corev1.ContainerPort) *corev1.Pod {
	p := ready(pod(name, app))
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: app, Controller: &yes}}
	p.Spec.NodeName = "n1"
	p.Status.Phase = corev1.PodRunning
	p.Spec.Containers[0].Ports = ports
	if labels != nil {
		p.Labels = labels
	}
	return p
}

func tcp(n int32) corev1.ContainerPort { return corev1.ContainerPort{ContainerPort: n} }

func to(name string, selector map[string]string, target intstr.IntOrString) *corev1.Service {
	s := service(name, 80)
	if selector != nil {
		s.Spec.Selector = selector
	}
	s.Spec.Ports[0].TargetPort = target
	return s
}

func faultsOf(t *testing.T, objs ...runtime.Object) []string {
	t.Helper()
	obs := open(t, source.FromObjects(append(objs, &corev1.PodList{}, &corev1.ServiceList{}), nil, noon.Add(time.Hour)))
	var out []string
	for _, e := range observertest.Run(t, obs, services.Spec, func(*observertest.Session) { <-obs.First() }) {
		if e.Kind == services.Selects || e.Kind == services.Names {
			continue
		}
		var parts []string
		for name, v := range e.Attrs {
			parts = append(parts, name+"="+v.String())
		}
		slices.Sort(parts)
		owner := ""
		if o, ok := e.Ref(event.Owner); ok {
			owner = " of " + o.ID
		}
		out = append(out, fmt.Sprintf("%s %s%s: %s", strings.TrimPrefix(string(e.Kind), "services."), e.Subject().ID, owner, strings.Join(parts, " ")))
	}
	return out
}

func TestFaults(t *testing.T) {
	n := intstr.FromInt32
	udp := to("dns", map[string]string{"app": "dns"}, n(53))
	udp.Spec.Ports[0].Protocol = corev1.ProtocolUDP
	probed := serving("api-0", "api", nil, tcp(9090))
	probed.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: n(8080)}}}
	silent := serving("api-0", "api", nil, tcp(15090))
	silent.Spec.Containers = append(silent.Spec.Containers, corev1.Container{Name: "app"})
	local := to("api", map[string]string{"app": "api"}, n(8080))
	stay := corev1.ServiceInternalTrafficPolicyLocal
	local.Spec.InternalTrafficPolicy = &stay
	away := serving("web-0", "web", nil, tcp(80))
	away.Spec.NodeName = "n2"
	away.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "API_URL", Value: "http://api"}}
	same := to("api", nil, n(7071))
	same.Spec.Ports[0].Port = 7070
	grpcApp := "grpc"
	application := to("api", map[string]string{"app": "api"}, n(8080))
	application.Spec.Ports[0].AppProtocol = &grpcApp
	http := serving("api-0", "api", nil, tcp(8080))
	http.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: n(8080)}}}
	tests := []struct {
		name string
		objs []runtime.Object
		want string
	}{
		{"all fits", []runtime.Object{to("api", nil, n(8080)), serving("api-0", "api", nil, tcp(8080))}, ""},
		{
			"another spelling", []runtime.Object{to("api-server", map[string]string{"app": "api_server"}, n(8080)), serving("a-0", "api-server", nil, tcp(8080)), serving("b-0", "web", nil, tcp(8080))},
			"unmatched shop/api-server of StatefulSet/shop/api-server: because=name, spelling, port, unselected callers=0 carries=api-server label=app near=1 near_ready=1 selector=app=api_server wants=api_server",
		},
		{
			"one of two labels", []runtime.Object{
				to("api", map[string]string{"app": "api", "tier": "back"}, n(8080)), serving("x-0", "x", map[string]string{"app": "api", "tier": "backend"}, tcp(8080)), away,
			},
			"unmatched shop/api of StatefulSet/shop/x: because=other labels, port, unselected callers=1 carries=backend label=tier near=1 near_ready=1 selector=app=api,tier=back wants=back",
		},
		{"nobody is near", []runtime.Object{to("api", nil, n(8080)), serving("b-0", "web", nil, tcp(80))}, "unmatched shop/api: callers=0 selector=app=api"},
		{
			"the pods are merely not there", []runtime.Object{to("api", nil, n(8080)), &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api"},
				Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "api"}}}},
			}},
			"unmatched shop/api of Deployment/shop/api: callers=0 no_pods=true selector=app=api",
		},
		{
			"another number", []runtime.Object{to("api", nil, n(8081)), serving("api-0", "api", nil, tcp(8080))},
			"bad_port shop/api of StatefulSet/shop/api: callers=0 port=80 problem=number protocol=TCP ready_behind=1 target=8081 wanted=8080 wanted_from=containerPort wanted_sources=1",
		},
		{
			"another number than the Service's own", []runtime.Object{same, serving("api-0", "api", nil, tcp(7070), tcp(9090))},
			"bad_port shop/api of StatefulSet/shop/api: callers=0 port=7070 problem=number protocol=TCP ready_behind=1 target=7071 wanted=7070 wanted_from=containerPort, the Service's own port wanted_sources=2",
		},
		{"the probe shows that it listens", []runtime.Object{to("api", nil, n(8080)), probed}, ""},
		{"a container that declares nothing may listen anywhere", []runtime.Object{to("api", nil, n(8080)), silent}, ""},
		{
			"a name that nobody declares", []runtime.Object{to("api", nil, intstr.FromString("http")), serving("api-0", "api", nil, corev1.ContainerPort{Name: "web", ContainerPort: 8080})},
			"bad_port shop/api of StatefulSet/shop/api: callers=0 port=80 problem=name protocol=TCP ready_behind=1 target=http wanted=8080 wanted_from=containerPort wanted_sources=1",
		},
		{
			"UDP to a TCP port", []runtime.Object{udp, serving("dns-0", "dns", nil, tcp(53))},
			"bad_port shop/dns of StatefulSet/shop/dns: callers=0 port=80 problem=protocol protocol=UDP ready_behind=1 speaks=TCP target=53",
		},
		{
			"appProtocol", []runtime.Object{application, http},
			"bad_port shop/api of StatefulSet/shop/api: callers=0 port=80 problem=application protocol=grpc ready_behind=1 speaks=http target=8080",
		},
		{
			"pods of another workload", []runtime.Object{
				to("api", map[string]string{"part": "shop"}, n(8080)), to("db", map[string]string{"app": "db"}, n(5432)),
				serving("api-0", "api", map[string]string{"part": "shop"}, tcp(8080)), serving("db-0", "db", map[string]string{"part": "shop", "app": "db"}, tcp(5432)),
			},
			"foreign shop/api of StatefulSet/shop/db: natives=1 own_service=db port=80 strangers=1 target=8080",
		},
		{"a canary is no stranger", []runtime.Object{
			to("api", map[string]string{"part": "shop"}, n(8080)),
			serving("api-0", "api", map[string]string{"part": "shop"}, tcp(8080)), serving("canary-0", "canary", map[string]string{"part": "shop"}, tcp(8080)),
		}, ""},
		{
			"no pod on the caller's node", []runtime.Object{local, serving("api-0", "api", nil, tcp(8080)), away},
			"no_local shop/api of StatefulSet/shop/api: callers=1 policy=internalTrafficPolicy ready_behind=1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(faultsOf(t, tt.objs...), "|"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"front", "fronted", 2}, {"api", "web", 3}, {"kitten", "sitting", 3}, {strings.Repeat("x", 99), "x", 64}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q %q: %d", tt.a, tt.b, got)
		}
	}
}
