package finding

// The weights of the dns family.
const (
	ForeignResolver Weight = "foreign-resolver"
	NodeResolver    Weight = "node-resolver"
	AliasShadows    Weight = "alias-shadows"
	NeedsClusterDNS Weight = "needs-cluster-names"
	ResolvesAlone   Weight = "resolves-otherwise-than-others"
	ResolvedBefore  Weight = "resolved-before"
	NameTrouble     Weight = "name-trouble"
	NameComplaint   Weight = "name-complaint"
	NameSilence     Weight = "name-silence"
	NoNameTrouble   Weight = "no-name-trouble"
	NoSuchService   Weight = "no-such-service"
	NoNameServer    Weight = "no-name-server"
)

var dnsWeights = map[Weight]Entry{
	ForeignResolver: {2.5, "a name server that is not the cluster's knows no name of the cluster, unless it passes such questions on"},
	NodeResolver:    {1.5, "the node's name servers know no name of the cluster; many pods need none"},
	AliasShadows:    {3.0, "a fixed address is taken before any name server is asked"},
	NeedsClusterDNS: {1.5, "the pod is configured to call Services by name"},
	ResolvesAlone:   {1.0, "all other workloads of the namespace use the cluster's DNS"},
	ResolvedBefore:  {1.5, "the revision before used the cluster's DNS"},
	NameTrouble:     {1.0, "a container of the pod is not ready or was started again, which fits and has many other causes"},
	NameComplaint:   {2.0, "the program itself says that a name has no address"},
	NameSilence:     {1.0, "the program waits in vain, as for a name server that does not answer, and as for much else"},
	NoNameTrouble:   {-2.0, "the pod is well, so that it seems to need no name it cannot get"},
	NoSuchService:   {1.5, "no Service of the namespace has the name"},
	NoNameServer:    {5.0, "without a ready pod the cluster's DNS answers nobody"},
}
