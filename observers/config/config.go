// Package config holds the facts about what a pod's configuration refers to
// and names: ConfigMaps, Secrets and keys that are not there, addresses that no
// Service has, credentials that are not the server's own, and objects that
// changed since a program read them. Values never leave the observer; names,
// keys and verdicts do.
package config

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Missing     event.Kind = "config.missing"
	Address     event.Kind = "config.address"
	Credentials event.Kind = "config.credentials"
	Stale       event.Kind = "config.stale"
	SamePort    event.Kind = "config.same_port"
)

// Fields of Missing: a pod that is not up refers to an object or a key that is
// not there. Subject is the container, or the pod for a volume, Owner the pod,
// Peer the object.
var (
	Object    = event.Field[string]{Name: "object", Doc: "ConfigMap or Secret"}
	Name      = event.Field[string]{Name: "name", Doc: "name of the object"}
	Key       = event.Field[string]{Name: "key", Doc: "the key that the object lacks; absent when the object itself is"}
	Where     = event.Field[string]{Name: "where", Doc: "what refers to it: env NAME, envFrom, volume NAME, args or command"}
	Compared  = event.Field[bool]{Name: "compared", Doc: "the list of such objects is known and it is not in it"}
	Reported  = event.Field[bool]{Name: "reported", Doc: "the kubelet says so"}
	Similar   = event.Field[string]{Name: "similar", Doc: "an object, key or Service that is there and has nearly the same name"}
	Elsewhere = event.Field[string]{Name: "elsewhere", Doc: "another namespace that has an object of this name"}
)

// Fields of Address: the configuration names a host or port that no Service
// has. Subject is the container, Owner the pod, Peer the Service that has the
// name, or nearly. Where as above; From names the object that holds the value.
var (
	Host    = event.Field[string]{Name: "host", Doc: "host name as the configuration gives it"}
	Port    = event.Field[int64]{Name: "port", Doc: "port as the configuration gives it, 0 for none"}
	Why     = event.Field[string]{Name: "why", Doc: "no-service, no-port or other-namespace"}
	Right   = event.Field[string]{Name: "right", Doc: "the host, or the port, that would be right"}
	From    = event.Field[string]{Name: "from", Doc: "ConfigMap NAME or Secret NAME when the value comes from one"}
	Others  = event.Field[int64]{Name: "others", Unit: event.Count, Doc: "containers of other workloads that name the right one, or agree with the server"}
	Earlier = event.Field[bool]{Name: "earlier", Doc: "the revision before named the right one"}
)

// Fields of Credentials: user, password or database of a client are not those
// of the server. Subject is the client's container, Owner its pod, Peer the
// Service through which it calls. Where and From are the client's.
var (
	Differs   = event.Field[string]{Name: "differs", Doc: "user, password or database"}
	Server    = event.Field[string]{Name: "server", Doc: "what the server's side names it: env NAME of its container, or empty when only other clients disagree"}
	ServerObj = event.Field[string]{Name: "server_from", Doc: "ConfigMap NAME or Secret NAME that holds the server's value"}
)

// Fields of SamePort: two containers of a pod are told to listen on the same
// port. Subject is the container that declares it, Owner the pod, Peer the other
// container. Port and Where as above, Where of the other container: its
// containerPort, env NAME or args.

// Fields of Stale: a ConfigMap or Secret changed after the container that reads
// it once began. Subject is the container, Owner the pod, Peer the object, At
// the change. Where as above.
var (
	Started = event.Field[int64]{Name: "started", Unit: event.Seconds, Doc: "start of the container, Unix seconds"}
)

// Values of Why.
const (
	NoService      = "no-service"
	NoPort         = "no-port"
	OtherNamespace = "other-namespace"
)

// Values of Differs.
const (
	User     = "user"
	Password = "password"
	Database = "database"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "config",
	Side: observers.Cluster,
	Doc:  "ConfigMaps, Secrets, keys, addresses and credentials that the pods' configuration refers to, against what is there",
	Emits: []observers.Schema{
		{Kind: Missing, Meaning: "a pod that is not up refers to an object or key that is not there", Fields: event.Fields(Object, Name, Key, Where, Compared, Reported, Similar, Elsewhere)},
		{Kind: Address, Meaning: "the configuration of a container names an address that no Service has", Fields: event.Fields(Where, From, Host, Port, Why, Right, Others, Earlier)},
		{Kind: Credentials, Meaning: "credentials of a client are not those of the server", Fields: event.Fields(Where, From, Differs, Server, ServerObj, Others)},
		{Kind: Stale, Meaning: "an object changed after the container that reads it once began", Fields: event.Fields(Object, Name, Where, Started)},
		{Kind: SamePort, Meaning: "two containers of a pod are told to listen on the same port", Fields: event.Fields(Port, Where)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Why: "what the kubelet says is missing", Optional: true},
		{Type: observers.Verb, Name: "list services", Why: "which addresses there are", Optional: true},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "what the revision before named", Optional: true},
		{Type: observers.Verb, Name: "list configmaps", Why: "which are there, and with which keys", Optional: true},
		{Type: observers.Verb, Name: "list secrets", Why: "which are there, and with which keys", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 200},
}
