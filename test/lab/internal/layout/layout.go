// Package layout fixes the names, addresses and directories of the lab.
//
// One lab runs on a machine at a time, so all of them are constants: a leftover
// can be found without any record of it.
package layout

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Addresses of the lab. The machine itself owns only HostIP; pod and Service
// addresses exist in the nodes' network namespaces alone.
const (
	Underlay       = "172.30.0.0/24"
	ControlPlaneIP = "172.30.0.1"
	HostIP         = "172.30.0.254"
	ServiceCIDR    = "10.96.0.0/16"
	APIServiceIP   = "10.96.0.1"
	DNSIP          = "10.96.0.10"
	PodCIDR        = "10.244.0.0/16"
	Server         = "https://" + ControlPlaneIP + ":6443"
	Domain         = "cluster.local"
)

// Names of what the lab makes outside its own namespaces.
const (
	HostLink   = "tapio-lab" // the machine's end of the veth pair
	CgroupRoot = "lab"       // below the root of every cgroup hierarchy
	MaxNodes   = 9
)

// Images that every lab has.
const (
	PauseImage    = "lab.local/pause:1"
	WorkloadImage = "lab.local/workload:1"
	CoreDNSImage  = "lab.local/coredns:1"
)

// Cgroups below CgroupRoot that hold the lab's own programs. Pods are in
// CgroupRoot/NODE/kubepods, which the kubelet makes.
const (
	SupervisorCgroup   = CgroupRoot + "/supervisor"
	ControlPlaneCgroup = CgroupRoot + "/control-plane"
)

// Node is one node of the lab, counted from 1.
type Node int

// Nodes returns nodes 1 to n.
func Nodes(n int) []Node {
	nodes := make([]Node, 0, n)
	for i := 1; i <= n; i++ {
		nodes = append(nodes, Node(i))
	}
	return nodes
}

// Name is the node's host name and Kubernetes name: n1, n2, ...
func (n Node) Name() string { return fmt.Sprintf("n%d", int(n)) }

// IP is the node's address in the underlay.
func (n Node) IP() string { return fmt.Sprintf("172.30.0.%d", 10+int(n)) }

// PodSubnet is the node's share of PodCIDR.
func (n Node) PodSubnet() string { return fmt.Sprintf("10.244.%d.0/24", int(n)) }

// Cgroup is the node's cgroup, the parent of its pods' and daemons' cgroups.
func (n Node) Cgroup() string { return CgroupRoot + "/" + n.Name() }

// DaemonsCgroup holds the node's containerd, kubelet and kube-proxy, and the shims.
func (n Node) DaemonsCgroup() string { return n.Cgroup() + "/daemons" }

// ParseNode reads a node's name.
func ParseNode(s string) (Node, error) {
	for _, n := range Nodes(MaxNodes) {
		if n.Name() == s {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is not a node of the lab: nodes are named n1 to n%d", s, MaxNodes)
}

// Dir is the lab's state directory. All that a running lab writes is below it.
type Dir string

// DefaultDir is the state directory unless TAPIO_LAB_DIR names another.
const DefaultDir = "/var/lib/tapio-lab"

// DirFromEnv returns the state directory: $TAPIO_LAB_DIR or DefaultDir.
func DirFromEnv() (Dir, error) {
	d := os.Getenv("TAPIO_LAB_DIR")
	if d == "" {
		return DefaultDir, nil
	}
	clean := filepath.Clean(d)
	if !filepath.IsAbs(clean) || strings.Count(clean, "/") < 2 || strings.ContainsAny(clean, ":\n\"'\\ ,") {
		return "", fmt.Errorf("TAPIO_LAB_DIR is %q: it must be an absolute path below some directory, without spaces, quotes, commas and colons", d)
	}
	return Dir(clean), nil
}

// Path joins elements below the state directory.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Bin is a program of the running lab: lab, kubectl or labctl.
func (d Dir) Bin(name string) string { return d.Path("bin", name) }

// PKI is a certificate or key file.
func (d Dir) PKI(name string) string { return d.Path("pki", name) }

// Kubeconfig is the kubeconfig file of a user of the cluster: admin, scheduler, ...
func (d Dir) Kubeconfig(user string) string { return d.Path("kubeconfig", user) }

// Log is the log file of a daemon.
func (d Dir) Log(daemon string) string { return d.Path("log", daemon+".log") }

// NodePath joins elements below the node's own directory.
func (d Dir) NodePath(n Node, elem ...string) string {
	return d.Path(append([]string{"nodes", n.Name()}, elem...)...)
}

// UnderlayPrefix is Underlay, parsed.
func UnderlayPrefix() netip.Prefix { return netip.MustParsePrefix(Underlay) }
