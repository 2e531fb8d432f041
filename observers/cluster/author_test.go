package cluster

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func fieldsOf(raw string) *metav1.FieldsV1 {
	f := &metav1.FieldsV1{}
	f.SetRawBytes([]byte(raw))
	return f
}

func TestAuthors(t *testing.T) {
	at := func(minute int) *metav1.Time {
		m := metav1.NewTime(time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC))
		return &m
	}
	fields := []metav1.ManagedFieldsEntry{
		{Manager: "kubectl-apply", Time: at(1), FieldsV1: fieldsOf(`{"f:spec":{"f:replicas":{},"f:template":{}}}`)},
		{Manager: "kubectl-edit", Time: at(5), FieldsV1: fieldsOf(`{"f:spec":{"f:template":{}}}`)},
		{Manager: "kube-controller-manager", Time: at(7), FieldsV1: fieldsOf(`{"f:metadata":{}}`)},
		{Manager: "autoscaler", Subresource: "scale", Time: at(3)},
		{Manager: "kube-controller-manager", Subresource: "status", Time: at(9)},
		{Manager: "timeless"},
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{ManagedFields: fields}}
	check := func(when string) {
		t.Helper()
		if a := LastAuthor(d); a.Manager != "kubectl-edit" || !a.At.Equal(at(5).Time) {
			t.Errorf("%s: last author %+v", when, a)
		}
		if a := ReplicasAuthor(d); a.Manager != "autoscaler" || !a.At.Equal(at(3).Time) {
			t.Errorf("%s: replicas by %+v", when, a)
		}
	}
	check("as the API server sent it")
	slim(d)
	check("as it is kept")
	size := 0
	for _, f := range d.ManagedFields {
		if f.FieldsV1 != nil {
			size += len(f.FieldsV1.GetRawBytes())
		}
	}
	if len(d.ManagedFields) != 4 || size > 40 {
		t.Errorf("%d entries with %d bytes of fields are kept", len(d.ManagedFields), size)
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ManagedFields: fields}}
	if slim(p); len(p.ManagedFields) != 0 {
		t.Error("who wrote a pod is kept, and nobody reads it")
	}
	if a := LastAuthor(&appsv1.Deployment{}); a != (Author{}) {
		t.Errorf("nobody wrote it, but %+v", a)
	}
	only := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{ManagedFields: fields[2:3]}}
	if a := LastAuthor(only); a.Manager != "kube-controller-manager" {
		t.Errorf("only a controller wrote it: %+v", a)
	}
}
