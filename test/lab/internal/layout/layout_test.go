package layout

import (
	"net/netip"
	"testing"
)

func TestNodes(t *testing.T) {
	under := netip.MustParsePrefix(Underlay)
	pods := netip.MustParsePrefix(PodCIDR)
	seen := map[string]bool{ControlPlaneIP: true, HostIP: true}
	for _, n := range Nodes(MaxNodes) {
		ip, subnet := netip.MustParseAddr(n.IP()), netip.MustParsePrefix(n.PodSubnet())
		if !under.Contains(ip) || seen[n.IP()] {
			t.Errorf("%s has the address %s", n.Name(), ip)
		}
		if !pods.Overlaps(subnet) || seen[subnet.String()] {
			t.Errorf("%s has the pods %s", n.Name(), subnet)
		}
		seen[n.IP()], seen[subnet.String()] = true, true
		got, err := ParseNode(n.Name())
		if err != nil || got != n {
			t.Errorf("%s is parsed as %d, %v", n.Name(), got, err)
		}
	}
	if MaxNodes != len(Nodes(MaxNodes)) || Nodes(1)[0].Name() != "n1" {
		t.Error("nodes are not counted from 1")
	}
}

func TestParseNodeRefuses(t *testing.T) {
	for _, s := range []string{"", "n", "n0", "n10", "N1", "n1 ", "n01", "../n1"} {
		if n, err := ParseNode(s); err == nil {
			t.Errorf("%q is node %d", s, n)
		}
	}
}

func TestNetworksAreApart(t *testing.T) {
	var ps []netip.Prefix
	for _, s := range []string{Underlay, ServiceCIDR, PodCIDR} {
		p := netip.MustParsePrefix(s)
		for _, q := range ps {
			if p.Overlaps(q) {
				t.Errorf("%s and %s overlap", p, q)
			}
		}
		ps = append(ps, p)
	}
	for _, ip := range []string{APIServiceIP, DNSIP} {
		if !netip.MustParsePrefix(ServiceCIDR).Contains(netip.MustParseAddr(ip)) {
			t.Errorf("%s is no Service address", ip)
		}
	}
}

func TestDirFromEnv(t *testing.T) {
	for _, tc := range []struct {
		env, want string // want "" is an error
	}{
		{"", DefaultDir},
		{"/var/lib/lab/", "/var/lib/lab"},
		{"/srv/x/../y", "/srv/y"},
		{"relative", ""},
		{"/", ""},
		{"/etc", ""},
		{"/tmp/..", ""},
		{"/srv/with blank", ""},
		{"/srv/with:colon", ""},
		{"/srv/with'quote", ""},
	} {
		t.Setenv("TAPIO_LAB_DIR", tc.env)
		got, err := DirFromEnv()
		if (err != nil) != (tc.want == "") || string(got) != tc.want {
			t.Errorf("%q gives %q, %v", tc.env, got, err)
		}
	}
}

func TestPaths(t *testing.T) {
	d := Dir("/x")
	for got, want := range map[string]string{
		d.Bin("lab"):              "/x/bin/lab",
		d.Kubeconfig("admin"):     "/x/kubeconfig/admin",
		d.Log("etcd"):             "/x/log/etcd.log",
		d.PKI("ca.crt"):           "/x/pki/ca.crt",
		d.NodePath(2, "cni", "f"): "/x/nodes/n2/cni/f",
		Node(2).DaemonsCgroup():   "lab/n2/daemons",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
