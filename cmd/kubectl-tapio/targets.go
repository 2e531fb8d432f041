package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/tui/picker"
)

func newClient(c *rest.Config) (kubernetes.Interface, error) { return kubernetes.NewForConfig(c) }

// maxListed is the most objects of a kind that are listed to choose from.
const maxListed = 2000

// Targets implements tui.Backend.
func (l *live) Targets(ctx context.Context) (picker.List, error) {
	o, err := l.explainOf(picker.Row{})
	if err != nil {
		return picker.List{}, errors.New(sentence(err))
	}
	ns := o.targetNS
	if o.allSpaces {
		ns = metav1.NamespaceAll
	}
	list, err := targets(ctx, o.client, ns)
	if err != nil {
		return picker.List{}, errors.New(sentence(err))
	}
	return list, nil
}

// targets lists the workloads and pods of a namespace, or of all with "", the
// worst first. What may not be listed is told in the note; the error is for
// when nothing may.
func targets(ctx context.Context, c kubernetes.Interface, ns string) (picker.List, error) {
	var out picker.List
	var notes []string
	var failed error
	o := metav1.ListOptions{Limit: maxListed}
	got := 0
	take := func(what, more string, err error) bool {
		if err != nil {
			failed = err
			notes = append(notes, what+" cannot be listed")
			return false
		}
		got++
		if more != "" {
			notes = append(notes, fmt.Sprintf("only the first %d %s are listed", maxListed, what))
		}
		return true
	}
	if l, err := c.AppsV1().Deployments(ns).List(ctx, o); take("deployments", l.GetContinue(), err) {
		for _, d := range l.Items {
			out.Rows = append(out.Rows, workloadRow("Deployment", d.ObjectMeta, desired(d.Spec.Replicas), d.Status.ReadyReplicas))
		}
	}
	if l, err := c.AppsV1().StatefulSets(ns).List(ctx, o); take("statefulsets", l.GetContinue(), err) {
		for _, d := range l.Items {
			out.Rows = append(out.Rows, workloadRow("StatefulSet", d.ObjectMeta, desired(d.Spec.Replicas), d.Status.ReadyReplicas))
		}
	}
	if l, err := c.AppsV1().DaemonSets(ns).List(ctx, o); take("daemonsets", l.GetContinue(), err) {
		for _, d := range l.Items {
			out.Rows = append(out.Rows, workloadRow("DaemonSet", d.ObjectMeta, d.Status.DesiredNumberScheduled, d.Status.NumberReady))
		}
	}
	o.LabelSelector = "!" + launch.LabelRun // our own pods explain nothing
	if l, err := c.CoreV1().Pods(ns).List(ctx, o); take("pods", l.GetContinue(), err) {
		for i := range l.Items {
			out.Rows = append(out.Rows, podRow(&l.Items[i]))
		}
	}
	if got == 0 {
		return picker.List{}, failed
	}
	slices.SortStableFunc(out.Rows, func(a, b picker.Row) int {
		switch {
		case a.Trouble == b.Trouble:
			return strings.Compare(a.Namespace, b.Namespace)
		case a.Trouble:
			return -1
		}
		return 1
	})
	if ns != metav1.NamespaceAll {
		out.Rows = append(out.Rows, picker.Row{Kind: "Namespace", Name: ns, State: "everything in it"})
	}
	out.Note = strings.Join(notes, "; ")
	return out, nil
}

func desired(n *int32) int32 {
	if n == nil {
		return 1 // the API's default
	}
	return *n
}

func workloadRow(kind string, m metav1.ObjectMeta, want, ready int32) picker.Row {
	return picker.Row{Kind: kind, Namespace: m.Namespace, Name: m.Name, State: fmt.Sprintf("%d/%d ready", ready, want), Trouble: ready < want}
}

// podRow says how a pod does: the first container that is not well speaks for
// it.
func podRow(p *corev1.Pod) picker.Row {
	r := picker.Row{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, State: strings.ToLower(string(p.Status.Phase))}
	r.Trouble = p.Status.Phase == corev1.PodPending || p.Status.Phase == corev1.PodFailed
	if p.Status.Reason != "" {
		r.State = p.Status.Reason
	}
	restarts := int32(0)
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		restarts += max(s.RestartCount, 0)
		word := ""
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			word = s.State.Waiting.Reason
		case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
			word = s.State.Terminated.Reason
		case s.LastTerminationState.Terminated != nil && s.LastTerminationState.Terminated.ExitCode != 0:
			word = "running, before: " + s.LastTerminationState.Terminated.Reason
		case s.State.Running != nil && !s.Ready:
			word = "not ready"
		}
		if word != "" && !r.Trouble {
			r.State, r.Trouble = word, true
		}
	}
	if p.DeletionTimestamp != nil {
		r.State = "terminating"
	}
	if restarts > 0 {
		r.State += fmt.Sprintf(", %d restarts", restarts)
	}
	return r
}

// gone says that the target, a single pod, is no longer there, or that the API
// server stopped answering; "" when neither is so.
func (w *watching) gone() string {
	if err := w.source.Known(cluster.Pods); err != nil {
		return sentence(err)
	}
	if w.target.Kind != "Pod" || len(w.target.Pods) == 0 {
		return ""
	}
	p, err := w.source.Pods.Pods(w.target.Namespace).Get(w.target.Name)
	if err == nil && cluster.UID(p) == cluster.UID(w.target.Pods[0]) {
		return ""
	}
	return "the pod is gone: what follows is what was seen of it"
}
