//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/build"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/node"
	"github.com/yairfalse/tapio/test/lab/internal/state"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

// node starts the programs of one node. containerd comes first: the process
// that makes the node's view of the machine becomes it, and the other programs
// enter its namespaces.
func (s *supervisor) node(ctx context.Context, n layout.Node, netns *os.File, apiReady <-chan struct{}) error {
	c := node.Config{Node: n, Dir: s.Dir, CNI: s.Runtime.CNI}
	if err := c.Write(); err != nil {
		return err
	}
	name := n.Name() + "-containerd"
	mountThenRun := append([]string{s.Self, "internal-node", n.Name(), s.Runtime.CNI}, c.Containerd(s.Runtime.Containerd)...)
	clone := uintptr(0)
	if s.PIDNS {
		clone = unix.CLONE_NEWPID
	}
	p, err := s.table.Start(supervise.Spec{
		Name: name, Log: s.Dir.Log(name), Env: s.env(), Files: []*os.File{netns}, Daemon: true,
		Unshare: unix.CLONE_NEWNS | unix.CLONE_NEWUTS, Clone: clone,
		Args: EnterArgs(s.Self, n.DaemonsCgroup(), 1, mountThenRun),
	})
	if err != nil {
		return err
	}
	socket := Socket(p.PID)
	err = s.until(ctx, "containerd on "+n.Name(), func(context.Context) error {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, img := range s.Images {
		if err := s.table.Run(ctx, supervise.Spec{
			Name: "importing " + img.Tag + " on " + n.Name(), Log: s.Dir.Log(n.Name() + "-import"), Env: s.env(),
			Args: ImportArgs(s.Runtime.Ctr, p.PID, img),
		}); err != nil {
			return err
		}
	}
	select {
	case <-apiReady:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return s.kubelet(c, p.PID)
}

func (s *supervisor) kubelet(c node.Config, containerd int) error {
	namespaces, err := Namespaces(containerd)
	if err != nil {
		return err
	}
	defer closeAll(namespaces)
	for name, args := range map[string][]string{"kubelet": c.Kubelet(s.Lab), "kube-proxy": c.Proxy(s.Lab)} {
		if err := s.daemon(c.Node.Name()+"-"+name, c.Node.DaemonsCgroup(), namespaces, args); err != nil {
			return err
		}
	}
	return nil
}

// Socket is the path, on the machine, of the containerd of the node to which
// process pid belongs.
func Socket(pid int) string { return fmt.Sprintf("/proc/%d/root%s", pid, node.Socket) }

// ImportArgs is the command line that imports an image into the node to which
// process pid belongs.
func ImportArgs(ctr string, pid int, img build.Tarball) []string {
	return []string{ctr, "--address", Socket(pid), "--namespace", "k8s.io", "images", "import", img.File}
}

// Namespaces opens the namespaces of a node, given one of its processes, in
// the order in which they are to be entered.
func Namespaces(pid int) ([]*os.File, error) {
	var fs []*os.File
	for _, kind := range []string{"net", "uts", "mnt"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			closeAll(fs)
			return nil, fmt.Errorf("opening the namespaces of process %d: %w", pid, err)
		}
		fs = append(fs, f)
	}
	// That of its children: a process that entered a pid namespace stays
	// outside of it itself. Last, because what is behind it is another /proc.
	name := fmt.Sprintf("/proc/%d/ns/pid_for_children", pid)
	theirs, err := os.Readlink(name)
	if err != nil || theirs == ownPIDNS() {
		return fs, nil //nolint:nilerr // it has none of its own, or no children any more
	}
	f, err := os.Open(name)
	if err != nil {
		closeAll(fs)
		return nil, fmt.Errorf("opening the namespaces of process %d: %w", pid, err)
	}
	return append(fs, f), nil
}

func ownPIDNS() string {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return link
}

func closeAll(fs []*os.File) {
	for _, f := range fs {
		f.Close()
	}
}

// images is the record of what every node has.
func (s *supervisor) images() state.Images {
	m := state.Images{}
	for _, t := range s.Images {
		m[t.Tag] = t.Digest
	}
	return m
}
