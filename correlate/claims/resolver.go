package claims

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/resolver"
)

func ofResolver(f window.Fact, claim string) finding.Evidence {
	return finding.Evidence{
		Observer: resolver.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// NameSetting says how a pod's DNS settings lead away from the cluster's names.
func NameSetting(f window.Fact) finding.Evidence {
	e := f.Event
	servers := resolver.Servers.Or(e, "")
	known := ""
	if c := resolver.Cluster.Or(e, ""); c != "" {
		known = ", which is " + c
	}
	var claim string
	switch resolver.Problem.Or(e, "") {
	case resolver.ForeignServer:
		claim = fmt.Sprintf("dnsPolicy None with name server %s, not the cluster's DNS%s", servers, known)
		if servers == "" {
			claim = "dnsPolicy None without any name server"
		}
	case resolver.HostNetwork:
		claim = "hostNetwork with dnsPolicy ClusterFirst asks the node's name servers, not the cluster's DNS" + known + "; ClusterFirstWithHostNet would"
	case resolver.Alias:
		peer, _ := f.Ref(event.Peer)
		claim = fmt.Sprintf("hostAliases fix the name of Service %s to %s; the Service is at %s", peer.Leaf(), resolver.Address.Or(e, ""), resolver.Right.Or(e, ""))
	default:
		claim = "dnsPolicy Default asks the node's name servers, not the cluster's DNS" + known
	}
	return ofResolver(f, claim)
}

// NamesServices says that a pod needs the cluster's names; ok is false when its
// configuration names none.
func NamesServices(f window.Fact) (finding.Evidence, bool) {
	n := resolver.Named.Or(f.Event, 0)
	return ofResolver(f, fmt.Sprintf("its configuration names %s of the cluster", words.Count(n, "Service"))), n > 0
}

// OthersResolve says that the other pods of the namespace use the cluster's DNS;
// ok is false when too few do.
func OthersResolve(f window.Fact) (finding.Evidence, bool) {
	n, alike := resolver.Others.Or(f.Event, 0), resolver.Alike.Or(f.Event, 0)
	return ofResolver(f, fmt.Sprintf("%s of other workloads use the cluster's DNS, %d are set like this one", words.Count(n, "pod"), alike)), n >= 3 && alike == 0
}

// SettingBefore says that the previous revision left DNS to the cluster.
func SettingBefore(f window.Fact) finding.Evidence {
	return ofResolver(f, "the revision before used the cluster's DNS")
}

// NameServer says how the cluster's DNS stands.
func NameServer(f window.Fact) finding.Evidence {
	e := f.Event
	return ofResolver(f, fmt.Sprintf("the cluster's DNS has %s and %d ready", words.Count(resolver.Pods.Or(e, 0), "pod"), resolver.Ready.Or(e, 0)))
}
