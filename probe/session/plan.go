package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/launch/payload"
	"github.com/yairfalse/tapio/probe/wire"
)

// Config says which nodes get a probe, and how.
type Config struct {
	// Client may be nil, and usually should be: then one is made from Rest that
	// speaks protobuf and does not throttle itself.
	Client kubernetes.Interface
	Rest   *rest.Config
	Build  string // of this plugin; "" is wire.Build()

	Nodes           []Node
	Namespace       string // of the probes; "" chooses kube-system, else the target's
	TargetNamespace string // of the target; "" when it has none
	Profile         launch.Profile
	Image           string // "" delivers the program through ConfigMaps
	PullSecret      string
	PriorityClass   string
	Observers       []string // names; none means all

	// Payload finds the program for an architecture; nil is payload.Load.
	Payload func(arch string) (payload.Payload, error)
}

// Node is a node that shall get a probe, and the pods on it that matter; none
// means every pod of the node.
type Node struct {
	Name    string
	PodUIDs []string
}

// Plan is what a Start would do. Making it changes nothing in the cluster.
type Plan struct {
	cfg    Config
	token  string
	run    string
	launch *launch.Plan
	times  *times
}

// NodePlan is the plan for one node.
type NodePlan struct {
	Name    string
	Refused *launch.Refused // nil when it gets a probe
	Image   string          // the image the probe's pod uses at first
}

// NewPlan asks the cluster what it would refuse and chooses the namespace and,
// for each node, an image that is there already. It takes two rounds of
// parallel requests. What is refused is part of the plan; the error is only
// about a Config that cannot be used at all.
func NewPlan(ctx context.Context, cfg Config) (*Plan, error) {
	if cfg.Rest == nil {
		return nil, errors.New("no cluster was given to probe")
	}
	switch cfg.Profile {
	case "":
		cfg.Profile = launch.Privileged
	case launch.Privileged, launch.Caps:
	default:
		return nil, fmt.Errorf("profile %q is not known; use %s or %s", cfg.Profile, launch.Privileged, launch.Caps)
	}
	if cfg.Build == "" {
		cfg.Build = wire.Build()
	}
	if cfg.Client == nil {
		client, err := launch.NewClient(cfg.Rest)
		if err != nil {
			return nil, err
		}
		cfg.Client = client
	}
	token, hash := newToken()
	p := &Plan{cfg: cfg, token: token, run: launch.NewRunID(), times: newTimes()}
	targets := make([]launch.Target, len(cfg.Nodes))
	for i, n := range cfg.Nodes {
		targets[i] = launch.Target{Node: n.Name, PodUIDs: n.PodUIDs}
	}
	p.launch = launch.Prepare(ctx, cfg.Client, launch.Options{
		Namespace: cfg.Namespace, TargetNamespace: cfg.TargetNamespace, Profile: cfg.Profile,
		Image: cfg.Image, PullSecret: cfg.PullSecret, PriorityClass: cfg.PriorityClass,
		TokenSHA256: hash, Run: p.run, Payload: cfg.Payload,
	}, targets)
	p.times.mark("planned", "")
	return p, nil
}

// newToken returns the run's secret, 32 random bytes in hex, and its SHA-256.
func newToken() (token, hash string) {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand)
	token = hex.EncodeToString(b)
	sum := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(sum[:])
}

// Run is the id that all objects of the run carry in the label tapio.dev/run.
func (p *Plan) Run() string { return p.run }

// Namespace is where the probes go.
func (p *Plan) Namespace() string { return p.launch.Namespace }

// Nodes returns the plan for each node, in the order of the Config.
func (p *Plan) Nodes() []NodePlan {
	out := make([]NodePlan, len(p.launch.Nodes))
	for i, c := range p.launch.Nodes {
		out[i] = NodePlan{Name: c.Node, Refused: c.Refused}
		if c.Refused == nil {
			out[i].Image = c.Images[0]
		}
	}
	return out
}

// Refusals returns the refusals, each sentence once.
func (p *Plan) Refusals() []*launch.Refused {
	var out []*launch.Refused
	seen := map[string]bool{}
	for _, c := range p.launch.Nodes {
		if c.Refused != nil && !seen[c.Refused.Error()] {
			seen[c.Refused.Error()] = true
			out = append(out, c.Refused)
		}
	}
	return out
}

// String is the plan in one line: "probing node-a, node-b in kube-system,
// privileged", or "no probe: " and why.
func (p *Plan) String() string {
	var names []string
	for _, c := range p.launch.Admitted() {
		names = append(names, c.Node)
	}
	if len(names) > 0 {
		return fmt.Sprintf("probing %s in %s, %s", strings.Join(names, ", "), p.Namespace(), p.cfg.Profile)
	}
	if r := p.Refusals(); len(r) > 0 {
		const begins = "no probe: "
		return begins + r[0].Within(launch.MaxSentence-len(begins))
	}
	return "no probe: no node to look into"
}

// Objects returns what Start would create, for --dry-run=client.
func (p *Plan) Objects() ([]runtime.Object, error) { return p.launch.Objects() }

// DryRun lets the API server complete and check what Start would create, for
// --dry-run=server.
func (p *Plan) DryRun(ctx context.Context) ([]runtime.Object, error) { return p.launch.DryRun(ctx) }
