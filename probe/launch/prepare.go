package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

// prepareBound is how long the checks may take: an API server that has not
// answered by then is taken for unreachable.
const prepareBound = 5 * time.Second

// Options say how probes are launched.
type Options struct {
	Namespace       string // "" lets the checks choose
	TargetNamespace string // where the target is; "" when it is in none
	Profile         Profile
	Image           string // "" delivers the program through ConfigMaps
	PullSecret      string
	PriorityClass   string
	TokenSHA256     string // hex
	Run             string // see NewRunID
	// Payload finds the program for an architecture; nil means payload.Load.
	Payload func(arch string) (payload.Payload, error)
}

// Target is a node that shall get a probe.
type Target struct {
	Node    string
	PodUIDs []string
}

// Candidate is what the checks found out about a node.
type Candidate struct {
	Target
	Refused *Refused // nil when a probe can be launched
	Arch    string
	// Images are tried in this order; more than one only for a delivered probe.
	Images []string
	// Hidden says which of the target's pods cannot be seen from the node's
	// kernel, one sentence each.
	Hidden []string

	appArmorAnnotation bool
	targetSecret       string // pull secret of the target's pods, in their namespace
}

// Plan is what would be launched where.
type Plan struct {
	Options
	Nodes []Candidate

	client   kubernetes.Interface
	payloads map[string]payload.Payload
}

// Prepare asks the cluster what it would refuse, before anything is created:
// rights, node facts, and the admission of the pod by a server-side dry run.
// All requests run in parallel in two rounds. A refusal is part of the plan.
func Prepare(ctx context.Context, client kubernetes.Interface, o Options, targets []Target) *Plan {
	ctx, cancel := context.WithTimeout(ctx, prepareBound)
	defer cancel()
	if o.Payload == nil {
		o.Payload = payload.Load
	}
	if o.Profile == "" {
		o.Profile = Privileged
	}
	p := &Plan{Options: o, Nodes: make([]Candidate, len(targets)), client: client, payloads: map[string]payload.Payload{}}
	namespaces := p.namespaces()
	refused := make([]*Refused, len(namespaces))
	var wg sync.WaitGroup
	for i, ns := range namespaces {
		wg.Go(func() { refused[i] = missingRight(ctx, client, ns, Rights(o.Image == "")) })
	}
	for i, t := range targets {
		wg.Go(func() { p.Nodes[i] = p.candidate(ctx, t) })
	}
	wg.Wait()
	noRights := !slices.Contains(refused, nil)
	for i := range p.Nodes {
		// Who may create nothing at all is not told of lesser rights.
		if c := &p.Nodes[i]; noRights && (c.Refused == nil || c.Refused.Reason == NoRight) {
			c.Refused = mostTelling(refused).On(c.Node)
		}
		p.addPayload(&p.Nodes[i])
	}
	p.choose(ctx, namespaces, refused)
	return p
}

// namespaces lists where the probes may go, best first.
func (p *Plan) namespaces() []string {
	if p.Namespace != "" {
		return []string{p.Namespace}
	}
	out := []string{SystemNamespace}
	if p.TargetNamespace != "" && p.TargetNamespace != SystemNamespace {
		out = append(out, p.TargetNamespace)
	}
	return out
}

// candidate gathers the facts about one node.
func (p *Plan) candidate(ctx context.Context, t Target) Candidate {
	c := Candidate{Target: t}
	var (
		wg           sync.WaitGroup
		node         *corev1.Node
		err          error
		system, mine []corev1.Pod
	)
	wg.Go(func() {
		node, err = p.client.CoreV1().Nodes().Get(ctx, t.Node, metav1.GetOptions{ResourceVersion: "0"})
	})
	wg.Go(func() { system = podsOn(ctx, p.client, t.Node, SystemNamespace) })
	if p.TargetNamespace != "" && p.TargetNamespace != SystemNamespace {
		wg.Go(func() { mine = podsOn(ctx, p.client, t.Node, p.TargetNamespace) })
	}
	wg.Wait()
	both := slices.Concat(system, mine)
	c.Hidden = sandboxed(both, t.PodUIDs)
	c.targetSecret = pullSecret(both, t.PodUIDs)
	switch {
	case err == nil:
		c.Refused = checkNode(node, criticalPriority(p.PriorityClass))
		c.Arch = nodeArch(node)
		c.appArmorAnnotation = appArmorByAnnotation(node)
	case apierrors.IsNotFound(err):
		c.Refused = &Refused{Reason: BadNode, What: fmt.Sprintf("node %s does not exist", clean(t.Node)), Err: err}
	case p.Image == "":
		c.Refused = refusal(err, "get", "nodes", "the cluster")
		if c.Refused.Reason == NoRight {
			c.Refused.What = "no right to get nodes: the architecture of " + clean(t.Node) + " is unknown"
			c.Refused.Ask = askImage
		}
	}
	if p.Image != "" {
		c.Images = []string{p.Image}
		return c
	}
	c.Images = Carriers(node, imagesInUse(both))
	if len(c.Images) > maxCarriers {
		c.Images = c.Images[:maxCarriers]
	}
	if c.Refused == nil && len(c.Images) == 0 {
		c.Refused = &Refused{Reason: NoCarrier, Ask: askImage, What: fmt.Sprintf("node %s names no image that could carry the probe", t.Node)}
	}
	return c
}

// addPayload loads the program for the candidate's architecture, once.
func (p *Plan) addPayload(c *Candidate) {
	if c.Refused != nil {
		c.Refused = c.Refused.On(c.Node)
		return
	}
	if p.Image != "" {
		return
	}
	if _, ok := p.payloads[c.Arch]; ok {
		return
	}
	load, err := p.Payload(c.Arch)
	switch {
	case errors.Is(err, payload.ErrMissing):
		c.Refused = &Refused{
			Node: c.Node, Reason: NoPayload, Err: err, Ask: "run make build, or " + askImage,
			What: fmt.Sprintf("this kubectl-tapio carries no probe for linux/%s", clean(c.Arch)),
		}
	case err != nil:
		c.Refused = &Refused{
			Node: c.Node, Reason: NoPayload, Err: err, What: err.Error(),
		}
	default:
		p.payloads[c.Arch] = load
	}
}

// Build is what the probe of a node says of itself: the build of the delivered
// program, or "" for a probe image, which must be of the plugin's own build.
func (p *Plan) Build(c Candidate) string { return p.payloads[c.Arch].Build }

// choose takes the first namespace that grants the rights and admits the pod;
// without one it refuses every node with what tells most.
func (p *Plan) choose(ctx context.Context, namespaces []string, refused []*Refused) {
	first := slices.IndexFunc(p.Nodes, func(c Candidate) bool { return c.Refused == nil })
	if first < 0 {
		if p.Namespace == "" {
			p.Namespace = namespaces[0]
		}
		return
	}
	var wg sync.WaitGroup
	for i, ns := range namespaces {
		if refused[i] == nil {
			wg.Go(func() {
				refused[i] = admits(ctx, p.client, p.spec(p.Nodes[first], ns, newName(), dryNames(p, first), 0))
			})
		}
	}
	wg.Wait()
	if i := slices.Index(refused, nil); i >= 0 {
		p.Namespace = namespaces[i]
		return
	}
	best := mostTelling(refused)
	p.Namespace = namespaces[slices.Index(refused, best)]
	for i := range p.Nodes {
		if p.Nodes[i].Refused == nil {
			p.Nodes[i].Refused = best.On(p.Nodes[i].Node)
		}
	}
}

// mostTelling returns the refusal that says most about the cluster, the first
// of equals.
func mostTelling(refused []*Refused) *Refused {
	return slices.MaxFunc(refused, func(a, b *Refused) int { return cmp.Compare(a.Reason.tells(), b.Reason.tells()) })
}

// dryNames returns names for the parts of a node's program.
func dryNames(p *Plan, node int) []string {
	if p.Image != "" {
		return nil
	}
	return newNames(len(p.payloads[p.Nodes[node].Arch].Parts))
}

// spec fills in a node's Job; attempt counts through the candidate's images.
func (p *Plan) spec(c Candidate, namespace, name string, parts []string, attempt int) Spec {
	secret := p.PullSecret
	if secret == "" && p.Image == "" && namespace == p.TargetNamespace {
		secret = c.targetSecret // where the kubelet verifies credentials for cached images (KEP-2535)
	}
	return Spec{
		Name: name, Namespace: namespace, Run: p.Run, Node: c.Node,
		Image: c.Images[attempt], ConfigMaps: parts, SHA256: p.payloads[c.Arch].SHA256,
		PullSecret: secret, TokenSHA256: p.TokenSHA256, Profile: p.Profile,
		PriorityClass: p.PriorityClass, AppArmorAnnotation: c.appArmorAnnotation,
	}
}

// Admitted returns the nodes that get a probe.
func (p *Plan) Admitted() []Candidate {
	var out []Candidate
	for _, c := range p.Nodes {
		if c.Refused == nil {
			out = append(out, c)
		}
	}
	return out
}
