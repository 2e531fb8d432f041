//go:build linux

package network

import (
	"net"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

func TestPrefix(t *testing.T) {
	_, n, _ := net.ParseCIDR("172.30.0.0/24")
	if p, ok := prefix(n); !ok || p.String() != "172.30.0.0/24" {
		t.Errorf("got %v, %t", p, ok)
	}
	if p, ok := prefix(defaultDst()); !ok || p.Bits() != 0 {
		t.Errorf("got %v, %t", p, ok)
	}
	if _, ok := prefix(nil); ok {
		t.Error("nothing is a prefix")
	}
}

// The whole topology, built in a network namespace that stands for the machine.
func TestBuild(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("making network namespaces needs root")
		}
		t.Skip("making network namespaces needs root")
	}
	err := onThread(func() error {
		host, err := netns.New()
		if err != nil {
			return err
		}
		defer host.Close()
		if err := Free(); err != nil {
			t.Errorf("an empty machine is not free: %v", err)
		}
		topology, err := Build(layout.Nodes(2))
		if err != nil {
			return err
		}
		if err := Free(); err == nil {
			t.Error("the network is free although the lab uses it")
		}
		check(t, topology)
		for range 2 {
			if err := Remove(); err != nil {
				t.Error(err)
			}
		}
		if links, err := netlink.LinkList(); err != nil || len(links) != 1 {
			t.Errorf("links are left: %v, %v", links, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, topology *Topology) {
	t.Helper()
	h, err := netlink.NewHandleAt(netns.NsHandle(topology.Nodes[1].Fd()))
	if err != nil {
		t.Error(err)
		return
	}
	defer h.Close()
	for dst, gateway := range map[string]string{
		"8.8.8.8":    layout.ControlPlaneIP,
		"10.244.2.7": layout.Node(2).IP(),
	} {
		rs, err := h.RouteGet(net.ParseIP(dst))
		if err != nil || len(rs) != 1 || rs[0].Gw.String() != gateway {
			t.Errorf("from n1 to %s: %v, %v", dst, rs, err)
		}
	}
	cp, err := netlink.NewHandleAt(netns.NsHandle(topology.ControlPlane.Fd()))
	if err != nil {
		t.Error(err)
		return
	}
	defer cp.Close()
	if rs, err := cp.RouteGet(net.ParseIP("8.8.8.8")); err == nil {
		t.Errorf("there is a way out of the lab: %v", rs)
	}
}
