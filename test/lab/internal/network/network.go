//go:build linux

// Package network lays the lab's wires: a network namespace with a bridge for
// the control plane, one namespace a node, and one veth pair to the machine.
//
// The namespaces have no name and no file. They live as long as a process or
// an open descriptor is in them, so they cannot be left behind.
package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

const bridge = "lab0"

// Topology holds the namespaces open.
type Topology struct {
	ControlPlane *os.File
	Nodes        map[layout.Node]*os.File
}

// Build makes the namespaces, links, addresses and routes of the lab.
func Build(nodes []layout.Node) (*Topology, error) {
	t := &Topology{Nodes: map[layout.Node]*os.File{}}
	var err error
	if t.ControlPlane, err = namespace("control-plane"); err != nil {
		return nil, err
	}
	if err := t.controlPlane(); err != nil {
		return nil, fmt.Errorf("setting up the control plane's network: %w", err)
	}
	for _, n := range nodes {
		if t.Nodes[n], err = namespace(n.Name()); err != nil {
			return nil, err
		}
	}
	for _, n := range nodes {
		if err := t.node(n, nodes); err != nil {
			return nil, fmt.Errorf("setting up the network of node %s: %w", n.Name(), err)
		}
	}
	return t, nil
}

// namespace makes a network namespace that forwards packets and returns it open.
func namespace(name string) (*os.File, error) {
	var f *os.File
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), name)
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	})
	return f, err
}

// onThread runs f on a thread that is thrown away afterwards, since f leaves
// it in another namespace.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

func (t *Topology) controlPlane() error {
	h, err := netlink.NewHandleAt(netns.NsHandle(t.ControlPlane.Fd()))
	if err != nil {
		return err
	}
	defer h.Close()
	if err := up(h, "lo"); err != nil {
		return err
	}
	if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}); err != nil {
		return fmt.Errorf("adding the bridge: %w", err)
	}
	if err := address(h, bridge, layout.ControlPlaneIP); err != nil {
		return err
	}
	// What is meant for the world outside fails at once instead of timing out.
	if err := h.RouteAdd(&netlink.Route{Type: unix.RTN_UNREACHABLE, Dst: defaultDst()}); err != nil {
		return fmt.Errorf("adding the unreachable route: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = layout.HostLink
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "host", PeerNamespace: netlink.NsFd(t.ControlPlane.Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("adding the link %s: %w", layout.HostLink, err)
	}
	if err := enslave(h, "host"); err != nil {
		return err
	}
	host, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer host.Close()
	return address(host, layout.HostLink, layout.HostIP)
}

func (t *Topology) node(n layout.Node, all []layout.Node) error {
	cp, err := netlink.NewHandleAt(netns.NsHandle(t.ControlPlane.Fd()))
	if err != nil {
		return err
	}
	defer cp.Close()
	h, err := netlink.NewHandleAt(netns.NsHandle(t.Nodes[n].Fd()))
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.Name()
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(t.Nodes[n].Fd())}
	if err := cp.LinkAdd(veth); err != nil {
		return fmt.Errorf("adding a link: %w", err)
	}
	if err := errors.Join(enslave(cp, n.Name()), up(h, "lo"), address(h, "eth0", n.IP())); err != nil {
		return err
	}
	if err := h.RouteAdd(&netlink.Route{Dst: defaultDst(), Gw: net.ParseIP(layout.ControlPlaneIP)}); err != nil {
		return fmt.Errorf("adding the default route: %w", err)
	}
	if err := podRoute(cp, n); err != nil {
		return err
	}
	for _, other := range all {
		if other == n {
			continue
		}
		if err := podRoute(h, other); err != nil {
			return err
		}
	}
	return nil
}

func podRoute(h *netlink.Handle, to layout.Node) error {
	_, dst, err := net.ParseCIDR(to.PodSubnet())
	if err != nil {
		return err
	}
	if err := h.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(to.IP())}); err != nil {
		return fmt.Errorf("adding the route to the pods of %s: %w", to.Name(), err)
	}
	return nil
}

func defaultDst() *net.IPNet { return &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)} }

func up(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", name, err)
	}
	if err := h.LinkSetUp(l); err != nil {
		return fmt.Errorf("starting the link %s: %w", name, err)
	}
	return nil
}

func address(h *netlink.Handle, link, ip string) error {
	l, err := h.LinkByName(link)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", link, err)
	}
	ipNet := &net.IPNet{IP: net.ParseIP(ip), Mask: net.CIDRMask(layout.UnderlayPrefix().Bits(), 32)}
	if err := h.AddrAdd(l, &netlink.Addr{IPNet: ipNet}); err != nil {
		return fmt.Errorf("giving %s the address %s: %w", link, ip, err)
	}
	return up(h, link)
}

func enslave(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", name, err)
	}
	b, err := h.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("finding the bridge: %w", err)
	}
	if err := h.LinkSetMaster(l, b); err != nil {
		return fmt.Errorf("plugging %s into the bridge: %w", name, err)
	}
	return up(h, name)
}

// Free reports an error when another link of the machine already uses the
// lab's network.
func Free() error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing the routes: %w", err)
	}
	for _, r := range routes {
		p, ok := prefix(r.Dst)
		if !ok || p.Bits() == 0 || !p.Overlaps(layout.UnderlayPrefix()) {
			continue
		}
		name := fmt.Sprintf("link %d", r.LinkIndex)
		if l, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
			name = l.Attrs().Name
		}
		return fmt.Errorf("the lab needs the network %s, but this machine uses %s on %s", layout.Underlay, p, name)
	}
	return nil
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), ones), ok
}

// Remove removes the link to the machine; the rest goes with the namespaces.
// It is no error when there is none.
func Remove() error {
	l, err := netlink.LinkByName(layout.HostLink)
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(l)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing the link %s: %w", layout.HostLink, err)
	}
	return nil
}
