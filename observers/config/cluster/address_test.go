package cluster

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

func service(name string, port int32) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1", Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: port}}}}
}

func in(ns string, s *corev1.Service) *corev1.Service {
	s.Namespace = ns
	return s
}

func lit(name, text string) corev1.EnvVar { return corev1.EnvVar{Name: name, Value: text} }

func of(kind event.Kind, es []event.Event) []event.Event {
	return slices.DeleteFunc(slices.Clone(es), func(e event.Event) bool { return e.Kind != kind })
}

func owned(p *corev1.Pod, rs string) *corev1.Pod {
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: rs, UID: types.UID("u-" + rs), Controller: &yes}}
	return p
}

func replicaSet(name, deployment, rev string, env ...corev1.EnvVar) *appsv1.ReplicaSet {
	yes := true
	rs := &appsv1.ReplicaSet{ObjectMeta: meta(name)}
	rs.Annotations = map[string]string{"deployment.kubernetes.io/revision": rev}
	rs.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment, UID: types.UID("u-" + deployment), Controller: &yes}}
	rs.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Env: env}}
	return rs
}

func TestAddress(t *testing.T) {
	env := func(vars ...corev1.EnvVar) *corev1.Pod { return runs(pod("a", vars...), noon) }
	args := func(args ...string) *corev1.Pod {
		p := env()
		p.Spec.Containers[0].Args = args
		return p
	}
	headless := service("kafka", 9092)
	headless.Spec.ClusterIP = corev1.ClusterIPNone
	redis := service("redis", 6379)
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"right", []runtime.Object{env(lit("REDIS_ADDR", "redis:6379")), redis}, nil},
		{"right by its long name", []runtime.Object{env(lit("REDIS_ADDR", "redis.shop.svc.cluster.local:6379")), redis}, nil},
		{"a slip of the pen", []runtime.Object{env(lit("REDIS_ADDR", "rediss:6379")), redis}, []string{"config.address u-a/app shop/redis where=env REDIS_ADDR host=rediss port=6379 why=no-service right=redis"}},
		{"the wrong port", []runtime.Object{env(lit("REDIS_ADDR", "redis:6380")), redis}, []string{"config.address u-a/app shop/redis where=env REDIS_ADDR host=redis port=6380 why=no-port right=6379"}},
		{
			"the wrong port in a variable of its own", []runtime.Object{env(lit("REDIS_HOST", "redis"), lit("REDIS_PORT", "6380")), redis},
			[]string{"config.address u-a/app shop/redis where=env REDIS_HOST host=redis port=6380 why=no-port right=6379"},
		},
		{"the port of another", []runtime.Object{env(lit("REDIS_HOST", "redis"), lit("HTTP_PORT", "6380")), redis}, nil},
		{
			"another namespace", []runtime.Object{env(lit("REDIS_URL", "redis://redis:6379")), in("cache", service("redis", 6379)), service("web", 80)},
			[]string{"config.address u-a/app cache/redis where=env REDIS_URL host=redis port=6379 why=other-namespace right=redis.cache"},
		},
		{
			"nothing near, and surely a host", []runtime.Object{env(lit("PAYMENT_URL", "http://payments:80/")), redis},
			[]string{"config.address u-a/app where=env PAYMENT_URL host=payments port=80 why=no-service"},
		},
		{"nothing near, and perhaps no host", []runtime.Object{env(lit("MODE", "fast:3")), redis}, nil},
		{"an outside host", []runtime.Object{env(lit("API_URL", "https://api.example.com")), redis}, nil},
		{"a namespace of which nothing is known", []runtime.Object{env(lit("API_URL", "http://api.other:80")), redis}, nil},
		{"a namespace that is known", []runtime.Object{env(lit("API_URL", "http://ap.data:80")), redis, in("data", service("api", 80))}, []string{"config.address u-a/app where=env API_URL host=ap.data port=80 why=no-service"}},
		{"itself", []runtime.Object{env(lit("SERVER_HOST", "a"), lit("UPSTREAM_HOST", "localhost"), lit("PEER_HOST", "app")), redis}, nil},
		{"a headless Service has any port", []runtime.Object{env(lit("BROKER", "kafka:19092")), headless}, nil},
		{"one of a headless Service's pods", []runtime.Object{env(lit("BROKER_URL", "http://kafka-0.kafka:9092")), headless}, nil},
		{"arguments", []runtime.Object{args("--redis-host", "redys", "--verbose"), redis}, []string{"config.address u-a/app shop/redis where=args host=redys why=no-service right=redis"}},
		{
			"from a ConfigMap", []runtime.Object{env(fromMap("REDIS_HOST", "settings", "host")), mapOf("settings", "host", "redus"), redis},
			[]string{"config.address u-a/app shop/redis where=env REDIS_HOST from=ConfigMap settings host=redus why=no-service right=redis"},
		},
		{
			"from a Secret, with the port beside it", []runtime.Object{env(fromSecret("DB_HOST", "db", "h"), fromSecret("DB_PORT", "db", "p")), secretOf("db", "h", "pg", "p", "5433"), service("pg", 5432)},
			[]string{"config.address u-a/app shop/pg where=env DB_HOST from=Secret db host=pg port=5433 why=no-port right=5432"},
		},
		{"masked in the input", []runtime.Object{env(fromSecret("DB_HOST", "db", "h")), secretOf("db", "h", "****"), service("pg", 5432)}, nil},
		{"Services are not known", []runtime.Object{env(lit("REDIS_ADDR", "rediss:6379"))}, nil},
		{
			"others name it right, and so did the revision before",
			[]runtime.Object{
				owned(env(lit("REDIS_ADDR", "rediss:6379")), "a-2"), replicaSet("a-1", "a", "1", lit("REDIS_ADDR", "redis:6379")), replicaSet("a-2", "a", "2", lit("REDIS_ADDR", "rediss:6379")),
				runs(pod("b", lit("REDIS_ADDR", "redis:6379")), noon), redis,
			},
			[]string{"config.address u-a/app shop/redis where=env REDIS_ADDR host=rediss port=6379 why=no-service right=redis others=1 earlier=true"},
		},
		{"a pod that has ended", []runtime.Object{func() *corev1.Pod {
			p := env(lit("REDIS_ADDR", "rediss:6379"))
			p.Status.Phase = corev1.PodSucceeded
			return p
		}(), redis}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, of(config.Address, facts(t, tt.objs...)), tt.want, "where", "from", "host", "port", "why", "right", "others", "earlier")
		})
	}
}

func TestCredentials(t *testing.T) {
	db := service("pg", 5432)
	server := func(env ...corev1.EnvVar) *corev1.Pod {
		p := runs(pod("pg", env...), noon)
		return p
	}
	client := func(name, user, password string) *corev1.Pod {
		return runs(pod(name, lit("DB_HOST", "pg"), lit("DB_USER", user), lit("DB_PASSWORD", password)), noon)
	}
	pg := server(lit("POSTGRES_USER", "app"), fromSecret("POSTGRES_PASSWORD", "pg", "password"))
	own := secretOf("pg", "password", "right-one")
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"the same", []runtime.Object{client("a", "app", "right-one"), pg, own, db}, nil},
		{
			"another password", []runtime.Object{client("a", "app", "wrong-one"), pg, own, db},
			[]string{"config.credentials u-a/app shop/pg where=env DB_PASSWORD differs=password server=env POSTGRES_PASSWORD server_from=Secret pg"},
		},
		{
			"another user with the password", []runtime.Object{client("a", "ap", "right-one"), pg, own, db},
			[]string{"config.credentials u-a/app shop/pg where=env DB_USER differs=user server=env POSTGRES_USER"},
		},
		{"a user of whom the server was not told", []runtime.Object{client("a", "report", "own-one"), pg, own, db}, nil},
		{
			"in a URL", []runtime.Object{runs(pod("a", lit("DATABASE_URL", "postgres://app:wrong-one@pg:5432/shop")), noon), pg, own, db},
			[]string{"config.credentials u-a/app shop/pg where=env DATABASE_URL differs=password server=env POSTGRES_PASSWORD server_from=Secret pg"},
		},
		{"the server's Secret is masked", []runtime.Object{client("a", "app", "wrong-one"), pg, secretOf("pg", "password", "*********"), db}, nil},
		{"nothing is known of the server", []runtime.Object{client("a", "app", "wrong-one"), server(), db}, nil},
		{
			"the odd one out of the clients", []runtime.Object{client("a", "app", "x1"), client("b", "app", "y2"), client("c", "app", "y2"), server(), db},
			[]string{"config.credentials u-a/app shop/pg where=env DB_PASSWORD differs=password others=2"},
		},
		{"two clients that disagree decide nothing", []runtime.Object{client("a", "app", "x1"), client("b", "app", "y2"), server(), db}, nil},
		{
			"root's password", []runtime.Object{
				runs(pod("a", lit("MYSQL_HOST", "my"), lit("MYSQL_USER", "root"), lit("MYSQL_PASSWORD", "no")), noon),
				runs(pod("my", lit("MYSQL_ROOT_PASSWORD", "yes")), noon), service("my", 3306),
			},
			[]string{"config.credentials u-a/app shop/my where=env MYSQL_PASSWORD differs=password server=env MYSQL_ROOT_PASSWORD"},
		},
		{
			"a server that is a client elsewhere tells nothing of its own accounts", []runtime.Object{
				runs(pod("a", lit("API_HOST", "api"), lit("API_USER", "x"), lit("API_PASSWORD", "p1")), noon),
				runs(pod("api", lit("REDIS_HOST", "redis"), lit("REDIS_PASSWORD", "p2")), noon), service("api", 80), service("redis", 6379),
			},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, of(config.Credentials, facts(t, tt.objs...)), tt.want, "where", "from", "differs", "server", "server_from", "others")
		})
	}
}

func TestStale(t *testing.T) {
	written := func(c *corev1.ConfigMap, at time.Time) *corev1.ConfigMap {
		when := metav1.NewTime(at)
		c.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: &when}}
		return c
	}
	mounted := func(subPath string) *corev1.Pod {
		p := pod("a")
		p.Spec.Volumes = []corev1.Volume{{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "conf", MountPath: "/etc/app", SubPath: subPath}}
		return runs(p, noon)
	}
	late := noon.Add(10 * time.Minute)
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"changed after the start", []runtime.Object{runs(pod("a", fromMap("X", "settings", "x")), noon), written(mapOf("settings", "x", "1"), late)}, []string{"config.stale u-a/app ConfigMap/shop/settings where=env X"}},
		{"changed before", []runtime.Object{runs(pod("a", fromMap("X", "settings", "x")), late), written(mapOf("settings", "x", "1"), noon)}, nil},
		{"a mounted file is swapped", []runtime.Object{mounted(""), written(mapOf("settings", "x", "1"), late)}, nil},
		{"a single file is not", []runtime.Object{mounted("x"), written(mapOf("settings", "x", "1"), late)}, []string{"config.stale u-a/app ConfigMap/shop/settings where=subPath of volume conf"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, of(config.Stale, facts(t, tt.objs...)), tt.want, "where")
		})
	}
}

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "two"}
	lookup := func(n string) (string, bool) { v, ok := vars[n]; return v, ok }
	for in, want := range map[string]string{
		"": "", "x": "x", "$(A)": "1", "$(A)-$(B)": "1-two", "$(C)": "$(C)", "$$(A)": "$(A)", "$(A": "$(A", "a$(A)b": "a1b",
	} {
		if got := expand(in, lookup); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzValues(f *testing.F) {
	f.Add("DB_HOST", "postgres://a:b@pg:5432/x?y=$(Z)")
	f.Add("REDIS_URL", "redis:6379")
	f.Fuzz(func(t *testing.T, name, text string) {
		partOf(name)
		expand(text, func(string) (string, bool) { return "x", true })
		c := client{}
		c.fromURL(value{name: name, text: text})
		hostsOf(&corev1.Container{Args: []string{text}}, []value{{name: name, text: text}})
	})
}
