package event

import (
	"cmp"
	"strings"
)

// EntityType is the sort of thing a Key names.
type EntityType string

// The entity types. Each comment says what Key.ID holds for it.
const (
	Cgroup    EntityType = "cgroup"    // "POD_UID/CONTAINER_ID", "POD_UID" for a pod's own cgroup, else the path below the hierarchy's root
	Container EntityType = "container" // "POD_UID/NAME": the container of the spec, across its restarts
	Pod       EntityType = "pod"       // metadata.uid
	Workload  EntityType = "workload"  // "KIND/NAMESPACE/NAME", for example "Deployment/shop/api"
	Service   EntityType = "service"   // "NAMESPACE/NAME"
	Node      EntityType = "node"      // metadata.name
	Addr      EntityType = "addr"      // "IP:PORT"
	Volume    EntityType = "volume"    // "NAMESPACE/CLAIM", or a device
	Systemd   EntityType = "unit"      // systemd unit name
	Config    EntityType = "config"    // "ConfigMap/NAMESPACE/NAME" or "Secret/NAMESPACE/NAME"
	Namespace EntityType = "namespace" // metadata.name
)

// Key names one entity. It is comparable, so it can index maps.
type Key struct {
	Type EntityType `json:"type"`
	ID   string     `json:"id"`
}

// IsZero tells whether the key names nothing.
func (k Key) IsZero() bool { return k == Key{} }

// String is the form for logs and evidence: "type:id".
func (k Key) String() string { return string(k.Type) + ":" + k.ID }

// Compare orders keys by type, then by id.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Type, o.Type), cmp.Compare(k.ID, o.ID))
}

// Role says what an entity has to do with an event.
type Role string

// The roles.
const (
	Subject Role = "subject" // whom the fact is about; always Refs[0]
	Owner   Role = "owner"   // who holds the subject: a pod's workload, a cgroup's pod
	Peer    Role = "peer"    // the other end of a call or a selection
	Culprit Role = "culprit" // whose action the event is: the trigger of an OOM kill, the sender of a signal
	Limiter Role = "limit"   // whose limit was hit
	Host    Role = "host"    // the node it happened on
	Device  Role = "device"  // the volume or disk involved
)

// Ref is an entity in a role.
type Ref struct {
	Role Role `json:"role"`
	Key  Key  `json:"key"`
}

// CgroupKey is the key of a container's cgroup, or, when containerID is empty,
// of the pod's own cgroup. containerID is the runtime's id without scheme.
func CgroupKey(podUID, containerID string) Key {
	if containerID == "" {
		return Key{Cgroup, podUID}
	}
	return Key{Cgroup, podUID + "/" + containerID}
}

// CgroupAt is the key of the cgroup at a path below the hierarchy's root: of a
// pod, or of one of its containers, where podUID and containerID say so.
func CgroupAt(podUID, containerID, path string) Key {
	if podUID == "" {
		return Key{Cgroup, path}
	}
	return CgroupKey(podUID, containerID)
}

// ContainerKey is the key of a container of the pod's spec.
func ContainerKey(podUID, name string) Key { return Key{Container, podUID + "/" + name} }

// PodKey is the key of a pod.
func PodKey(uid string) Key { return Key{Pod, uid} }

// WorkloadKey is the key of a controller such as a Deployment.
func WorkloadKey(kind, namespace, name string) Key {
	return Key{Workload, kind + "/" + namespace + "/" + name}
}

// ServiceKey is the key of a Service.
func ServiceKey(namespace, name string) Key { return Key{Service, namespace + "/" + name} }

// NodeKey is the key of a node.
func NodeKey(name string) Key { return Key{Node, name} }

// PodUID returns the pod part of a container's or cgroup's key, or of a pod's
// own key; ok is false for keys that belong to no pod.
func (k Key) PodUID() (uid string, ok bool) {
	switch k.Type {
	case Pod:
		return k.ID, true
	case Container:
		uid, _, ok = strings.Cut(k.ID, "/")
		return uid, ok
	case Cgroup:
		if strings.HasPrefix(k.ID, "/") {
			return "", false
		}
		uid, _, _ = strings.Cut(k.ID, "/")
		return uid, uid != ""
	}
	return "", false
}

// Leaf returns what follows the last slash of the id: a container's name or
// runtime id, a workload's or Service's name.
func (k Key) Leaf() string {
	return k.ID[strings.LastIndexByte(k.ID, '/')+1:]
}
