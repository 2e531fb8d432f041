package claims

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// MissingConfig is a reference to an object or key that is not there
// (config.missing).
func MissingConfig(f window.Fact) finding.Evidence {
	object, name := config.Object.Or(f.Event, "object"), config.Name.Or(f.Event, "")
	claim := fmt.Sprintf("%s refers to %s %s, which does not exist", config.Where.Or(f.Event, "its spec"), object, name)
	if key := config.Key.Or(f.Event, ""); key != "" {
		claim = fmt.Sprintf("%s refers to key %s of %s %s, which has none of this name", config.Where.Or(f.Event, "its spec"), key, object, name)
	}
	return configEvidence(f, claim)
}

// Address is a host or port in the configuration that no Service has
// (config.address).
func Address(f window.Fact) finding.Evidence {
	host, port := config.Host.Or(f.Event, ""), config.Port.Or(f.Event, 0)
	claim := whereFrom(f) + " names " + host
	if port > 0 {
		claim += fmt.Sprintf(":%d", port)
	}
	switch config.Why.Or(f.Event, "") {
	case config.NoPort:
		claim += ", and that Service has no such port"
	case config.OtherNamespace:
		claim += ", a Service of another namespace"
	default:
		claim += ", and no Service has this name"
	}
	return configEvidence(f, claim)
}

// RightAddress is what would be right instead; ok is false when nothing is
// near.
func RightAddress(f window.Fact) (finding.Evidence, bool) {
	right := config.Right.Or(f.Event, "")
	if right == "" {
		return finding.Evidence{}, false
	}
	claim := fmt.Sprintf("Service %s exists", right)
	if config.Why.Or(f.Event, "") == config.NoPort {
		claim = fmt.Sprintf("Service %s listens on %s", config.Host.Or(f.Event, ""), right)
	}
	if n := config.Others.Or(f.Event, 0); n > 0 {
		claim += fmt.Sprintf(", and %d containers elsewhere name it", n)
	}
	if config.Earlier.Or(f.Event, false) {
		claim += "; the revision before named it"
	}
	return configEvidence(f, claim), true
}

// Credentials is a client's user, password or database that is not the
// server's (config.credentials).
func Credentials(f window.Fact) finding.Evidence {
	claim := fmt.Sprintf("%s gives another %s than ", whereFrom(f), config.Differs.Or(f.Event, "credential"))
	n := config.Others.Or(f.Event, 0)
	if server := config.Server.Or(f.Event, ""); server != "" {
		claim += server + " of the server"
		if from := config.ServerObj.Or(f.Event, ""); from != "" {
			claim += " (" + from + ")"
		}
		if n > 0 {
			claim += fmt.Sprintf(" and %d other clients", n)
		}
	} else {
		claim += fmt.Sprintf("%d other clients of the same server", n)
	}
	return configEvidence(f, claim)
}

// SamePort is a port that two containers of a pod are told to listen on
// (config.same_port).
func SamePort(f window.Fact) finding.Evidence {
	other, _ := f.Ref(event.Peer)
	return configEvidence(f, fmt.Sprintf("container %s of its pod is told to listen on port %d, too (%s)", other.Leaf(), config.Port.Or(f.Event, 0), config.Where.Or(f.Event, "")))
}

// Stale is an object that changed after the program that reads it once began
// (config.stale).
func Stale(f window.Fact) finding.Evidence {
	return configEvidence(f, fmt.Sprintf("%s %s changed after the container began, which reads it once (%s)",
		config.Object.Or(f.Event, "object"), config.Name.Or(f.Event, ""), config.Where.Or(f.Event, "")))
}

func whereFrom(f window.Fact) string {
	where := config.Where.Or(f.Event, "its spec")
	if from := config.From.Or(f.Event, ""); from != "" {
		return fmt.Sprintf("%s (from %s)", where, from)
	}
	return where
}

func configEvidence(f window.Fact, claim string) finding.Evidence {
	return finding.Evidence{Observer: config.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim}
}

// ConfigObject names the ConfigMap or Secret of a key: "ConfigMap shop/app".
func ConfigObject(k event.Key) string {
	kind, rest, _ := strings.Cut(k.ID, "/")
	return kind + " " + rest
}
