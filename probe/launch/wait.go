package launch

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// How long a probe may take to run. The shorter bounds begin when something
// went wrong that is sometimes put right by itself.
const (
	startBound   = 30 * time.Second // from the Job's creation
	sandboxBound = 8 * time.Second  // after the node failed to make the pod's sandbox
	createPodFor = 4 * time.Second  // after the Job controller failed to make the pod, without a known reason
	podMadeIn    = 10 * time.Second // from the Job's creation until it has a pod
	nodeLookIn   = 6 * time.Second  // from the Job's creation until the node is asked whether it lives
	nodeSilent   = 20 * time.Second // since the last renewal of a node's lease, which kubelets renew every 10 s
	lookBound    = 3 * time.Second  // for one such question
	podEventsIn  = 1500 * time.Millisecond
)

// WaitRunning waits until the probe's pod runs. It gives up with the reason as
// soon as that is known; when the kubelet refuses the image it tries the next.
// The error is a *Refused or the context's.
func (p *Probe) WaitRunning(ctx context.Context) error {
	for {
		if r := p.Refusal(); r != nil {
			return r
		}
		r := p.waitOnce(ctx)
		if r == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if r.Reason != ImageDenied || !p.nextImage() {
			p.refuse(r)
			return p.Refusal()
		}
		p.replace(ctx)
		p.mu.Lock()
		p.between = false
		p.mu.Unlock()
	}
}

// nextImage moves on to the next carrier; false when there is none.
func (p *Probe) nextImage() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attempt+1 >= len(p.Images) {
		return false
	}
	p.attempt++
	p.between = true
	return true
}

// replace deletes the probe's Job and creates one with the current image and
// parts of its own, because the old parts go with the old Job if no other node
// uses them.
func (p *Probe) replace(ctx context.Context) {
	p.mu.Lock()
	old := p.job
	p.mu.Unlock()
	createCtx, cancel := linger(ctx, createGrace)
	defer cancel()
	if err := p.run.deleteJob(createCtx, old); err != nil {
		p.refuse(refusal(err, "delete", "jobs", p.run.plan.Namespace))
		return
	}
	set := &partSet{arch: p.Arch, nodes: []Candidate{p.Candidate}}
	if p.run.plan.Image == "" {
		set.parts = newNames(len(p.run.plan.payloads[p.Arch].Parts))
	}
	p.run.createSet(createCtx, set, []*Probe{p})
}

// waitOnce waits for the pod of the current Job.
func (p *Probe) waitOnce(ctx context.Context) *Refused {
	p.mu.Lock()
	job, uid, image := p.job, p.jobUID, p.Images[p.attempt]
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan *corev1.Event)
	go p.follow(ctx, uid, 0, events)
	deadline := time.NewTimer(startBound)
	defer deadline.Stop()
	made := time.NewTimer(podMadeIn)
	defer made.Stop()
	unanswered := 0
	look := time.NewTicker(nodeLookIn)
	defer look.Stop()
	late := &Refused{Reason: NotStarted, What: fmt.Sprintf("the kubelet of %s did not start the probe within %s", p.Node, startBound)}
	var podUID string
	for {
		st, changed := p.run.pods.get(job)
		switch st.Phase {
		case Running:
			return nil
		case NoImage:
			return &Refused{
				Reason: ImageDenied, Why: strings.SplitN(st.Why, ":", 2)[0], Ask: askImage, // the message only repeats it
				What: fmt.Sprintf("the kubelet of %s refuses image %s", p.Node, cut(image, 40)),
			}
		case Ended:
			if r := st.denied(p.Node); r != nil {
				return r
			}
			r := &Refused{Reason: NotStarted, What: fmt.Sprintf("the probe on %s ended at once", p.Node), Why: st.Why}
			if st.Loader {
				r.Ask = askImage
			}
			return r
		case Absent:
			if st.Name != "" {
				return &Refused{Reason: NotStarted, What: fmt.Sprintf("the probe on %s was deleted", p.Node), Ask: AskAgain}
			}
		case Starting:
			if st.Why != "" {
				late.Why = st.Why
			}
		}
		if podUID == "" && st.UID != "" {
			podUID = st.UID
			go p.follow(ctx, podUID, podEventsIn, events)
		}
		select {
		case <-changed:
		case ev := <-events:
			r, within := eventRefusal(ev, p.Node, p.run.plan.Namespace)
			if r != nil && within == 0 {
				return r
			}
			if r != nil && late.Reason == NotStarted && late.Err == nil {
				r.Err = fmt.Errorf("%s: %s", clean(ev.Reason), clean(ev.Message))
				late = r
				deadline.Reset(within)
			}
		case <-made.C:
			if st, _ := p.run.pods.get(job); st.Name == "" && late.Err == nil {
				return &Refused{
					Reason: NotStarted, Ask: "look at kube-controller-manager",
					What: fmt.Sprintf("the Job controller made no pod for the probe on %s within %s", p.Node, podMadeIn),
				}
			}
		case <-look.C:
			if r := p.silence(ctx, job, &unanswered); r != nil {
				return r
			}
		case <-deadline.C:
			return late
		case <-ctx.Done():
			return &Refused{Reason: NotStarted, What: "interrupted", Err: ctx.Err()}
		}
	}
}

// silence says why nothing is heard of a pod that should start, or nil: the API
// server no longer answers, or the node's kubelet has stopped renewing its
// lease, which its node's condition follows much later. Who may not read leases
// still has the bound on the start. unanswered counts the requests in a row
// that got no answer.
func (p *Probe) silence(ctx context.Context, job string, unanswered *int) *Refused {
	ctx, cancel := context.WithTimeout(ctx, lookBound)
	defer cancel()
	lease, err := p.run.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, p.Node, metav1.GetOptions{})
	if err != nil {
		if !unreachable(err) {
			*unanswered = 0
			return nil
		}
		if *unanswered++; *unanswered < 2 {
			return nil
		}
		return &Refused{
			Reason: Unreachable, Why: innermost(err), Err: err, Ask: AskAgain,
			What: fmt.Sprintf("the API server stopped answering while the probe on %s was starting", p.Node),
		}
	}
	*unanswered = 0
	if st, _ := p.run.pods.get(job); st.Name == "" || st.Taken || lease.Spec.RenewTime == nil {
		return nil
	}
	silent := time.Since(lease.Spec.RenewTime.Time)
	if silent < nodeSilent {
		return nil
	}
	return &Refused{
		Reason: BadNode, Ask: "look at that node",
		What: fmt.Sprintf("the kubelet of %s has not been heard of for %s", p.Node, silent.Round(time.Second)),
	}
}

// eventRefusal reads an event about the Job or its pod: a refusal that is final
// (within 0), or one that holds unless the pod runs within the given time. It
// returns nil for everything else.
func eventRefusal(ev *corev1.Event, node, namespace string) (r *Refused, within time.Duration) {
	switch ev.Reason {
	case "FailedCreate":
		if r := refusalText(ev.Message, namespace); r != nil {
			return r, 0
		}
		return &Refused{Reason: NotStarted, What: "the Job controller cannot create the probe's pod", Why: ev.Message}, createPodFor
	case "FailedCreatePodSandBox", "FailedCreatePodContainer":
		return &Refused{Reason: NotStarted, What: fmt.Sprintf("node %s cannot start pods", node), Why: lastLine(ev.Message)}, sandboxBound
	}
	return nil, 0
}

// follow passes on the events about one object. Who may not read events still
// has the pod's status.
func (p *Probe) follow(ctx context.Context, uid string, after time.Duration, out chan<- *corev1.Event) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return
	}
	w, err := p.run.client.CoreV1().Events(p.run.plan.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector:  fields.OneTermEqualSelector("involvedObject.uid", uid).String(),
		TimeoutSeconds: new(int64(2 * startBound / time.Second)),
	})
	if err != nil {
		return
	}
	defer w.Stop()
	for {
		select {
		case got, ok := <-w.ResultChan():
			if !ok {
				return
			}
			ev, ok := got.Object.(*corev1.Event)
			if !ok || string(ev.InvolvedObject.UID) != uid {
				continue
			}
			select {
			case out <- ev:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// State returns what the probe's pod says now, and a channel that is closed
// when any pod of the run changes.
func (p *Probe) State() (PodState, <-chan struct{}) {
	p.mu.Lock()
	job, between := p.job, p.between
	p.mu.Unlock()
	st, changed := p.run.pods.get(job)
	if between {
		st = PodState{}
	}
	return st, changed
}

// finished tells whether a Job has ended.
func finished(job *batchv1.Job) bool {
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}
