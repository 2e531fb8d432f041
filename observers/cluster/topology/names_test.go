package topology

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func svc(ns, name, clusterIP string, ports ...int32) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: corev1.ServiceSpec{ClusterIP: clusterIP}}
	for _, p := range ports {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: p})
	}
	return s
}

func TestLookup(t *testing.T) {
	index := NewServices([]*corev1.Service{
		svc("shop", "api", "10.0.0.1", 80), svc("shop", "kafka", corev1.ClusterIPNone, 9092), svc("bi", "api", "10.0.0.2", 80),
	})
	tests := map[string]string{
		"api": "shop/api", "API": "shop/api", "api.": "shop/api", "api.bi": "bi/api", "api.shop": "shop/api", "api.shop.svc": "shop/api",
		"api.shop.svc.cluster.local": "shop/api", "api.bi.svc.example.com": "bi/api",
		"kafka-0.kafka": "shop/kafka", "kafka-0.kafka.shop": "shop/kafka", "kafka-0.kafka.shop.svc.cluster.local": "shop/kafka",
		"api-v2": "", "x.api": "", "api.other": "", "api.shop.example.com": "", "x.api.shop.svc": "", "": "", "svc": "", "a.b.c.d.e": "",
	}
	for host, want := range tests {
		got := ""
		if s := index.Lookup("shop", host); s != nil {
			got = s.Namespace + "/" + s.Name
		}
		if got != want {
			t.Errorf("Lookup(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestNamed(t *testing.T) {
	index := NewServices([]*corev1.Service{
		svc("shop", "api", "10.0.0.1", 8080), svc("shop", "api-v2", "10.0.0.3", 80), svc("shop", "redis", "10.0.0.4", 6379),
		svc("shop", "kafka", corev1.ClusterIPNone), svc("bi", "report", "10.0.0.2", 80),
	})
	env := func(kv ...string) *corev1.PodSpec {
		var vars []corev1.EnvVar
		for i := 0; i < len(kv); i += 2 {
			vars = append(vars, corev1.EnvVar{Name: kv[i], Value: kv[i+1]})
		}
		return &corev1.PodSpec{Containers: []corev1.Container{{Env: vars}}}
	}
	run := func(command string, args ...string) *corev1.PodSpec {
		return &corev1.PodSpec{Containers: []corev1.Container{{Command: []string{command}, Args: args}}}
	}
	secret := env("REDIS_HOST", "")
	secret.Containers[0].Env[0].ValueFrom = &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "redis"}}
	tests := []struct {
		name string
		spec *corev1.PodSpec
		want string
	}{
		{"url", env("API", "http://api:8080/"), "shop/api 8080 env API"},
		{"url with another port is meant too", env("API", "http://api:9999/"), "shop/api 9999 env API"},
		{"word and the port of the Service", env("CACHE", "redis:6379"), "shop/redis 6379 env CACHE"},
		{"word and another port", env("CACHE", "redis:7"), ""},
		{"other namespace", env("R_URL", "http://report.bi/"), "bi/report 0 env R_URL"},
		{"not in this namespace", env("R_URL", "http://report/"), ""},
		{"substring", env("API_HOST", "api-v22"), ""},
		{"longer name is the longer Service", env("API_HOST", "api-v2"), "shop/api-v2 0 env API_HOST"},
		{"path segment", env("PATH_PREFIX", "/api"), ""},
		{"value of a Secret is not read", secret, ""},
		{"args", run("call", "http://api:8080/", "--every", "1s"), "shop/api 8080 args"},
		{"flag and value", run("serve", "--redis-host", "redis"), "shop/redis 0 args"},
		{"command of that name", run("redis", "api"), ""},
		{"shell variable", run("sh", "-c", "nc -z $REDIS_SERVICE_HOST 6379"), "shop/redis 0 args"},
		{"reference", run("call", "$(API_V2_SERVICE_HOST):80"), "shop/api-v2 0 args"},
		{"braces", run("sh", "-c", "echo ${REDIS_SERVICE_HOST}"), "shop/redis 0 args"},
		{"another variable", run("sh", "-c", "echo $MY_REDIS_SERVICE_HOST_NAME $$ ${ $"), ""},
		{"variable that is set", env("REDIS_SERVICE_HOST", "10.9.9.9"), "shop/redis 0 env REDIS_SERVICE_HOST"},
		{"each once", env("A_URL", "http://api:8080", "B_URL", "http://api:8080/b", "C_HOST", "redis"), "shop/api 8080 env A_URL|shop/redis 0 env C_HOST"},
		{"pod of a headless Service", env("BROKERS", "kafka-0.kafka:9092"), "shop/kafka 9092 env BROKERS"},
		{"init container", &corev1.PodSpec{InitContainers: []corev1.Container{{Args: []string{"--wait-for-host=redis"}}}}, "shop/redis 0 args"},
		{"nothing", &corev1.PodSpec{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, n := range index.Named("shop", Mentions(tt.spec)) {
				got = append(got, fmt.Sprintf("%s %d %s", n.Service.ID, n.Port, n.Where))
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestMentionsAreBounded(t *testing.T) {
	var vars []corev1.EnvVar
	for i := range 5 * maxMentions {
		vars = append(vars, corev1.EnvVar{Name: "URL", Value: fmt.Sprintf("http://h%d/", i)})
	}
	vars = append(vars, corev1.EnvVar{Name: "URL", Value: strings.Repeat("http://h/ ", 1<<16)})
	if n := len(Mentions(&corev1.PodSpec{Containers: []corev1.Container{{Env: vars}}})); n != maxMentions {
		t.Errorf("%d mentions", n)
	}
}

func FuzzReferences(f *testing.F) {
	f.Add("$(A_SERVICE_HOST) ${B_SERVICE_HOST} $C_SERVICE_HOST $$(D_SERVICE_HOST)")
	f.Add("$$$((({{{")
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range references(s) {
			if v == "" || !strings.Contains(s, v+serviceHost) {
				t.Errorf("%q is not in %q", v, s)
			}
		}
		text := Mentions(&corev1.PodSpec{Containers: []corev1.Container{{Args: []string{s}}}})
		if !slices.Equal(text, Mentions(&corev1.PodSpec{Containers: []corev1.Container{{Args: []string{s}}}})) {
			t.Error("the same text gave other mentions")
		}
	})
}
