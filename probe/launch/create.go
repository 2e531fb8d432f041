package launch

import (
	"context"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// createGrace is how long creations that are under way go on after the run was
// interrupted: an answer that was not waited for would leave an object that
// only its lease removes.
const createGrace = 2 * time.Second

// createBound is how long one creation may take.
const createBound = 10 * time.Second

// Run is the probes of one plan, from their creation to their removal. Its
// methods may be called from several goroutines.
type Run struct {
	plan   *Plan
	client kubernetes.Interface
	rest   *rest.Config
	pods   *pods
	stop   context.CancelFunc

	mu     sync.Mutex
	probes []*Probe
	jobs   map[string]*lease // by Job name: everything that may exist
}

// lease is what is known of a Job.
type lease struct {
	asked time.Time // when its creation was asked for; the Job's startTime is not earlier
	made  bool      // the server confirmed it
}

// Probe is one node's probe.
type Probe struct {
	Candidate
	run *Run

	mu      sync.Mutex
	job     string // name of the current Job
	jobUID  string
	attempt int // index of the current image
	conns   dialer
	between bool // one Job is being replaced by the next
}

// Launch creates what the plan says: first the Jobs, whose uids the ConfigMaps
// name as their owners, then the ConfigMaps, each step in parallel. A client
// that dies in between leaves a pod that waits for its files until the Job's
// deadline removes all. A ConfigMap whose Jobs are gone by then is removed by
// the garbage collector.
//
// The error of a node is in the returned probe's Refused. ctx ends the waiting
// for pods; what was created must be removed by Delete in any case.
func (p *Plan) Launch(ctx context.Context, config *rest.Config) *Run {
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &Run{plan: p, client: p.client, rest: config, stop: stop, jobs: map[string]*lease{}}
	if len(p.Admitted()) == 0 {
		for _, c := range p.Nodes {
			r.addProbe(c)
		}
		return r
	}
	var err error
	if r.pods, err = watchPods(watchCtx, p.client, p.Namespace, p.Run); err != nil {
		for _, c := range p.Nodes {
			r.addProbe(c).refuse(&Refused{Reason: Conflict, What: err.Error(), Err: err})
		}
		return r
	}
	createCtx, cancel := linger(ctx, createGrace)
	defer cancel()
	for _, c := range p.Nodes {
		if c.Refused != nil {
			r.addProbe(c)
		}
	}
	var wg sync.WaitGroup
	for _, set := range p.sets() {
		probes := make([]*Probe, len(set.nodes))
		for i, c := range set.nodes {
			probes[i] = r.addProbe(c)
		}
		wg.Go(func() { r.createSet(createCtx, set, probes) })
	}
	wg.Wait()
	return r
}

// Probes returns the run's probes, refused ones included.
func (r *Run) Probes() []*Probe {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Probe(nil), r.probes...)
}

func (r *Run) addProbe(c Candidate) *Probe {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &Probe{Candidate: c, run: r}
	r.probes = append(r.probes, p)
	return p
}

// createSet creates the Jobs of one architecture's nodes and then the
// ConfigMaps that all of them own.
func (r *Run) createSet(ctx context.Context, set *partSet, probes []*Probe) {
	ctx, cancel := context.WithTimeout(ctx, createBound)
	defer cancel()
	jobs := make([]*batchv1.Job, len(probes))
	var wg sync.WaitGroup
	for i, p := range probes {
		wg.Go(func() { jobs[i] = r.createJob(ctx, p, set.parts) })
	}
	wg.Wait()
	var owners []*batchv1.Job
	for _, j := range jobs {
		if j != nil {
			owners = append(owners, j)
		}
	}
	if len(owners) == 0 || r.plan.Image != "" {
		return
	}
	if refused := r.createParts(ctx, set, owners); refused != nil {
		for i, p := range probes {
			if jobs[i] != nil {
				p.refuse(refused)
			}
		}
	}
}

// createJob creates the Job of a probe's current image. On failure the probe is
// refused and nil returned.
func (r *Run) createJob(ctx context.Context, p *Probe, parts []string) *batchv1.Job {
	name := newName()
	r.mu.Lock()
	l := &lease{asked: time.Now()}
	r.jobs[name] = l
	r.mu.Unlock()
	p.mu.Lock()
	p.job = name
	spec := r.plan.spec(p.Candidate, r.plan.Namespace, name, parts, p.attempt)
	p.mu.Unlock()
	job, err := r.client.BatchV1().Jobs(spec.Namespace).Create(ctx, Job(spec), metav1.CreateOptions{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if !unreachable(err) && ctx.Err() == nil {
			delete(r.jobs, name) // the server said no: there is nothing to remove
		}
		p.refuse(refusal(err, "create", "jobs", spec.Namespace))
		return nil
	}
	l.made = true
	p.mu.Lock()
	p.jobUID = string(job.UID)
	p.mu.Unlock()
	return job
}

// createParts creates the ConfigMaps in parallel.
func (r *Run) createParts(ctx context.Context, set *partSet, owners []*batchv1.Job) *Refused {
	maps, err := ConfigMaps(r.plan.payloads[set.arch], r.plan.Namespace, r.plan.Run, set.parts, owners)
	if err != nil {
		return &Refused{Reason: NoPayload, What: err.Error(), Err: err}
	}
	errs := make([]error, len(maps))
	var wg sync.WaitGroup
	for i, m := range maps {
		wg.Go(func() {
			_, errs[i] = r.client.CoreV1().ConfigMaps(m.Namespace).Create(ctx, m, metav1.CreateOptions{})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return refusal(err, "create", "configmaps", r.plan.Namespace)
		}
	}
	return nil
}

// refuse marks the probe as refused.
func (p *Probe) refuse(r *Refused) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Refused = r.On(p.Node)
}

// Refusal returns why the probe is refused, or nil.
func (p *Probe) Refusal() *Refused {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Refused
}
