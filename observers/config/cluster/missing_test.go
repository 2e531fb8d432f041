package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("u-" + name), CreationTimestamp: metav1.NewTime(noon)}
}

// pod has the container "app" with an environment and is placed.
func pod(name string, env ...corev1.EnvVar) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "app", Env: env}}}}
	p.Labels = map[string]string{"app": name}
	return p
}

func waits(p *corev1.Pod, reason, message string) *corev1.Pod {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	return p
}

func runs(p *corev1.Pod, since time.Time) *corev1.Pod {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(since)}}}}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

func fromSecret(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}}}
}

func fromMap(name, configMap, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: configMap}, Key: key}}}
}

func secretOf(name string, data ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: meta(name), Data: map[string][]byte{}}
	for i := 0; i+1 < len(data); i += 2 {
		s.Data[data[i]] = []byte(data[i+1])
	}
	return s
}

func mapOf(name string, data ...string) *corev1.ConfigMap {
	c := &corev1.ConfigMap{ObjectMeta: meta(name), Data: map[string]string{}}
	for i := 0; i+1 < len(data); i += 2 {
		c.Data[data[i]] = data[i+1]
	}
	return c
}

func report(pod, reason, message string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     meta(pod + "." + reason),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod},
		Reason:         reason, Message: message, FirstTimestamp: metav1.NewTime(noon), LastTimestamp: metav1.NewTime(noon.Add(time.Minute)),
	}
}

func facts(t *testing.T, objs ...runtime.Object) []event.Event {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, noon.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return observertest.Run(t, obs, config.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
}

// brief is an event's subject, kind, peer and fields in the order given.
func brief(e event.Event, fields ...string) string {
	out := []string{string(e.Kind), e.Subject().ID}
	if p, ok := e.Ref(event.Peer); ok {
		out = append(out, p.ID)
	}
	for _, n := range fields {
		if v, ok := e.Attrs[n]; ok && v.String() != "false" && v.String() != "0" {
			out = append(out, n+"="+v.String())
		}
	}
	return strings.Join(out, " ")
}

func compare(t *testing.T, got []event.Event, want []string, fields ...string) {
	t.Helper()
	var lines []string
	for _, e := range got {
		lines = append(lines, brief(e, fields...))
	}
	if g, w := strings.Join(lines, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func TestMissing(t *testing.T) {
	yes := true
	optional := fromSecret("PASSWORD", "db", "password")
	optional.ValueFrom.SecretKeyRef.Optional = &yes
	volume := func(name, secret string, keys ...string) *corev1.Pod {
		p := pod(name)
		v := corev1.Volume{Name: "conf", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}
		for _, k := range keys {
			v.Secret.Items = append(v.Secret.Items, corev1.KeyToPath{Key: k, Path: k})
		}
		p.Spec.Volumes = []corev1.Volume{v}
		return waits(p, "ContainerCreating", "")
	}
	envFrom := pod("a")
	envFrom.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
	other := secretOf("db")
	other.Namespace = "data"
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"all there", []runtime.Object{waits(pod("a", fromSecret("P", "db", "password")), "ContainerCreating", ""), secretOf("db", "password", "x")}, nil},
		{
			"the Secret is absent, another is nearly of its name", []runtime.Object{waits(pod("a", fromSecret("P", "db-creds", "password")), "CreateContainerConfigError", ""), secretOf("db-cred")},
			[]string{"config.missing u-a/app Secret/shop/db-creds where=env P compared=true similar=db-cred"},
		},
		{
			"the Secret is in another namespace", []runtime.Object{waits(pod("a", fromSecret("P", "db", "password")), "CreateContainerConfigError", `secret "db" not found`), other},
			[]string{"config.missing u-a/app Secret/shop/db where=env P compared=true reported=true elsewhere=data"},
		},
		{
			"a key is absent", []runtime.Object{waits(pod("a", fromMap("P", "settings", "port")), "CreateContainerConfigError", ""), mapOf("settings", "prot", "1", "host", "x")},
			[]string{"config.missing u-a/app ConfigMap/shop/settings key=port where=env P compared=true similar=prot"},
		},
		{"optional", []runtime.Object{waits(pod("a", optional), "ContainerCreating", ""), &corev1.SecretList{}}, nil},
		{"the list is not known and nobody says so", []runtime.Object{waits(pod("a", fromSecret("P", "db", "password")), "CreateContainerConfigError", "")}, nil},
		{
			"the list is not known, the state says so", []runtime.Object{waits(pod("a", fromSecret("P", "db", "password")), "CreateContainerConfigError", `secret "db" not found`)},
			[]string{"config.missing u-a/app Secret/shop/db where=env P reported=true"},
		},
		{
			"the list is not known, an Event says which key", []runtime.Object{waits(pod("a", fromSecret("P", "db", "password")), "CreateContainerConfigError", ""), report("a", "Failed", "Error: couldn't find key password in Secret shop/db")},
			[]string{"config.missing u-a/app Secret/shop/db key=password where=env P reported=true"},
		},
		{"it was said to be missing and is there by now", []runtime.Object{waits(pod("a", fromSecret("P", "db", "password")), "CreateContainerConfigError", `secret "db" not found`), secretOf("db", "password", "x")}, nil},
		{"envFrom", []runtime.Object{waits(envFrom, "CreateContainerConfigError", ""), &corev1.ConfigMapList{}}, []string{"config.missing u-a/app ConfigMap/shop/settings where=envFrom compared=true"}},
		{"a volume's object", []runtime.Object{volume("a", "tls"), &corev1.SecretList{}}, []string{"config.missing u-a Secret/shop/tls where=volume conf compared=true"}},
		{"a volume's key", []runtime.Object{volume("a", "tls", "tls.crt"), secretOf("tls", "tls.key", "x")}, []string{"config.missing u-a Secret/shop/tls key=tls.crt where=volume conf compared=true"}},
		{"it runs: what is gone since does not keep it from running", []runtime.Object{runs(pod("a", fromSecret("P", "db", "password")), noon), &corev1.SecretList{}}, nil},
		{"not placed yet: it waits for something else", []runtime.Object{func() *corev1.Pod { p := pod("a", fromSecret("P", "db", "password")); p.Spec.NodeName = ""; return p }(), &corev1.SecretList{}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, facts(t, tt.objs...), tt.want, "key", "where", "compared", "reported", "similar", "elsewhere")
		})
	}
}

func TestMissingIn(t *testing.T) {
	tests := []struct {
		message string
		want    missing
		ok      bool
	}{
		{`secret "db-creds" not found`, missing{secret, "db-creds", ""}, true},
		{`Error: configmap "app" not found`, missing{configMap, "app", ""}, true},
		{`MountVolume.SetUp failed for volume "conf" : configmap "app" not found`, missing{configMap, "app", ""}, true},
		{`couldn't find key port in ConfigMap shop/app`, missing{configMap, "app", "port"}, true},
		{`couldn't find key password in Secret shop/db`, missing{secret, "db", "password"}, true},
		{`MountVolume.SetUp failed for volume "tls" : references non-existent secret key: tls.crt`, missing{secret, "", "tls.crt"}, true},
		{`references non-existent config key: a`, missing{configMap, "", "a"}, true},
		{`secret "db`, missing{}, false},
		{`couldn't find key `, missing{}, false},
		{`couldn't find key x in Pod a/b`, missing{}, false},
		{"", missing{}, false},
	}
	for _, tt := range tests {
		got, ok := missingIn(tt.message)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: %+v %t", tt.message, got, ok)
		}
	}
}

func FuzzMissingIn(f *testing.F) {
	f.Add(`couldn't find key port in ConfigMap shop/app`)
	f.Add(`secret "x" not found`)
	f.Fuzz(func(t *testing.T, s string) {
		m, ok := missingIn(s)
		if ok && m.object == "" || ok && m.name == "" && m.key == "" {
			t.Errorf("%q: %+v", s, m)
		}
	})
}

// No value of a Secret or variable leaves the observer.
func TestValuesStay(t *testing.T) {
	objs := []runtime.Object{
		waits(pod("a", fromSecret("P", "db", "pass"), corev1.EnvVar{Name: "TOKEN", Value: "hunter2hunter2"}), "CreateContainerConfigError", ""),
		secretOf("db", "password", "hunter2hunter2"),
	}
	for _, e := range facts(t, objs...) {
		if s := fmt.Sprint(e); strings.Contains(s, "hunter2") {
			t.Errorf("%s", s)
		}
	}
}
