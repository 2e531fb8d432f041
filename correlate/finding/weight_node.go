package finding

// The weights of the node family.
const (
	ReadyUnknown    Weight = "node-ready-unknown"
	LeaseStale      Weight = "node-lease-stale"
	PodsOnNode      Weight = "node-pods-unready"
	OthersReady     Weight = "other-nodes-ready"
	LeaseFresh      Weight = "node-lease-fresh"
	RuntimeSaidDown Weight = "runtime-said-down"
	NetworkSaidDown Weight = "network-said-down"
	SandboxRuntime  Weight = "sandbox-no-runtime"
	SandboxNetwork  Weight = "sandbox-no-network"
	SandboxOld      Weight = "sandbox-failures-old"
	ComponentDown   Weight = "component-down-on-node"
	OneNodeCalls    Weight = "calls-fail-from-one-node"
	OneNodeMany     Weight = "calls-fail-to-many-from-one-node"
	NobodyActs      Weight = "controller-does-not-act"
	ManagerStale    Weight = "controller-lease-stale"
	ManagerDown     Weight = "controller-pod-down"
	DeviceGone      Weight = "device-not-allocatable"
	DeviceWanted    Weight = "device-wanted"
)

var nodeWeights = map[Weight]Entry{
	ReadyUnknown:    {3.0, "the node controller has heard nothing of the kubelet for its whole grace period"},
	LeaseStale:      {2.5, "a kubelet that lives and reaches the API server renews its lease every ten seconds"},
	PodsOnNode:      {0.5, "pods that fail together on one node have something of it in common"},
	OthersReady:     {0.5, "the other nodes report: neither the API server nor the whole network is down"},
	LeaseFresh:      {0.5, "the kubelet lives, so what it says of the rest of its node counts"},
	RuntimeSaidDown: {4.0, "the kubelet itself says that its runtime does not answer"},
	NetworkSaidDown: {4.0, "the kubelet itself says that its network is not set up"},
	SandboxRuntime:  {2.5, "no sandbox can be made because the runtime cannot be reached"},
	SandboxNetwork:  {3.0, "the runtime says that its network plugin failed for this pod"},
	SandboxOld:      {-1.5, "the last failure is some minutes old: it may be over"},
	ComponentDown:   {3.0, "a component that each node needs is down here and works elsewhere"},
	OneNodeCalls:    {2.0, "calls to a Service with ready pods fail from one node and not from others"},
	OneNodeMany:     {1.0, "calls to several Services fail from the same node"},
	NobodyActs:      {3.0, "a controller acts on a new generation within a second; nothing acted on this one"},
	ManagerStale:    {3.5, "the controller manager renews its lease every two seconds while it works"},
	ManagerDown:     {3.0, "the kubelet says that the controller manager's container does not run"},
	DeviceGone:      {2.0, "the node has devices that it cannot give; they may be drained on purpose"},
	DeviceWanted:    {1.5, "a pod that asks for the device cannot run"},
}
