//go:build linux

package cluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/yairfalse/tapio/test/lab/internal/cgroup"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/network"
	"github.com/yairfalse/tapio/test/lab/internal/pki"
	"github.com/yairfalse/tapio/test/lab/internal/state"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

//go:embed system.yaml
var systemManifest []byte

// start brings the lab up. Everything is started below the supervisor, so a
// failure needs no clean-up here: Down finds it all.
func (s *supervisor) start(ctx context.Context) error {
	all, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("the lab did not start within %s", startLimit))
	defer cancel()
	s.tell(Progress{Phase: "certificates and network"})
	wires, err := s.prepare()
	if err != nil {
		return err
	}
	s.tell(Progress{Phase: "control plane"})
	apiReady := make(chan struct{})
	g, ctx := errgroup.WithContext(all)
	g.Go(func() error {
		if err := s.apiServer(ctx, wires.ControlPlane); err != nil {
			return err
		}
		s.tell(Progress{Phase: "nodes"})
		close(apiReady)
		return s.controllers(ctx, wires.ControlPlane)
	})
	for _, n := range s.Nodes {
		g.Go(func() error { return s.node(ctx, n, wires.Nodes[n], apiReady) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := state.WriteImages(s.Dir, s.images()); err != nil {
		return err
	}
	return s.ready(all)
}

// Prepare changes the machine for a lab: settings first recorded, then
// changed, and the cgroups. It is undone by Down.
func Prepare(dir layout.Dir, nodes []layout.Node) error {
	if err := network.Free(); err != nil {
		return err
	}
	tree, err := cgroup.New(layout.CgroupRoot)
	if err != nil {
		return err
	}
	missing, err := tree.Missing()
	if err != nil {
		return err
	}
	if err := state.Host().Prepare(dir, missing); err != nil {
		return fmt.Errorf("preparing the machine: %w", err)
	}
	cgroups := []string{layout.SupervisorCgroup, layout.ControlPlaneCgroup}
	for _, n := range nodes {
		cgroups = append(cgroups, n.DaemonsCgroup())
	}
	for _, c := range cgroups {
		if err := tree.Make(c); err != nil {
			return err
		}
	}
	return nil
}

// prepare writes the credentials and lays the wires.
func (s *supervisor) prepare() (*network.Topology, error) {
	ca, err := pki.NewAuthority("lab", time.Now)
	if err != nil {
		return nil, err
	}
	if err := writeCredentials(s.Dir, s.Nodes, ca); err != nil {
		return nil, err
	}
	if s.api, err = NewAPI(s.Dir); err != nil {
		return nil, err
	}
	return network.Build(s.Nodes)
}

func (s *supervisor) apiServer(ctx context.Context, net *os.File) error {
	for _, p := range []struct {
		name string
		args []string
	}{
		{"etcd", etcd(s.Lab, s.Dir)},
		{"kube-apiserver", apiServer(s.Lab, s.Dir)},
	} {
		if err := s.daemon(p.name, layout.ControlPlaneCgroup, []*os.File{net}, p.args); err != nil {
			return err
		}
	}
	return s.until(ctx, "the API server", s.api.Ready)
}

func (s *supervisor) controllers(ctx context.Context, net *os.File) error {
	for _, p := range []struct {
		name string
		args []string
	}{
		{"kube-controller-manager", controllerManager(s.Lab, s.Dir)},
		{"kube-scheduler", scheduler(s.Lab, s.Dir)},
	} {
		if err := s.daemon(p.name, layout.ControlPlaneCgroup, []*os.File{net}, p.args); err != nil {
			return err
		}
	}
	manifest := s.Dir.Path("system.yaml")
	if err := state.WriteFile(manifest, systemManifest, 0o644); err != nil {
		return err
	}
	// The API server makes the kube-system namespace some time after it is
	// ready; apply goes on where the last attempt stopped.
	return s.until(ctx, "the system's objects", func(ctx context.Context) error {
		return s.table.Run(ctx, supervise.Spec{
			Name: "kubectl apply", Log: s.Dir.Log("system"), Env: s.env(),
			Args: []string{s.Lab, "kubectl", "--kubeconfig=" + s.Dir.Kubeconfig("admin"), "apply", "--validate=false", "-f", manifest},
		})
	})
}

// ready waits for the nodes and for cluster DNS.
func (s *supervisor) ready(ctx context.Context) error {
	err := s.until(ctx, "the nodes", func(ctx context.Context) error {
		not, err := s.api.NotReady(ctx, s.Nodes)
		if err == nil && len(not) > 0 {
			err = fmt.Errorf("not Ready: %s", strings.Join(not, ", "))
		}
		return err
	})
	if err != nil {
		return err
	}
	s.tell(Progress{Phase: "cluster DNS"})
	return s.until(ctx, "cluster DNS", func(ctx context.Context) error {
		ok, err := s.api.DNSReady(ctx)
		if err == nil && !ok {
			err = errors.New("CoreDNS is not available")
		}
		return err
	})
}

func (s *supervisor) env() []string {
	var path string
	env := WithoutProxy(os.Environ())
	out := env[:0]
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
			continue
		}
		out = append(out, kv)
	}
	return append(out, "PATH="+s.Runtime.Path+":"+path)
}

// daemon starts a program of the lab in a cgroup and in namespaces.
func (s *supervisor) daemon(name, cgroup string, namespaces []*os.File, args []string) error {
	_, err := s.table.Start(supervise.Spec{
		Name: name, Log: s.Dir.Log(name), Env: s.env(), Files: namespaces, Daemon: true,
		Args: EnterArgs(s.Self, cgroup, len(namespaces), args),
	})
	return err
}

// EnterArgs is the command line that makes labctl enter a cgroup and the
// namespaces given as descriptors 3, 4, ..., and then become another program.
func EnterArgs(self, cgroup string, namespaces int, args []string) []string {
	return append([]string{self, "internal-exec", cgroup, fmt.Sprint(namespaces)}, args...)
}
