package finding

// The weights of the probe family.
const (
	ProbeFailsNow    Weight = "probe-fails-now"
	ProbeKills       Weight = "probe-kills"
	ProbeUnnamed     Weight = "probe-port-unnamed"
	ProbePortOther   Weight = "probe-port-other"
	ProbePortAgreed  Weight = "probe-port-agreed"
	ProbePortKnown   Weight = "probe-port-known"
	ProbePortAlike   Weight = "probe-port-alike-elsewhere"
	ProbeRefused     Weight = "probe-refused"
	ProbeNoAnswer    Weight = "probe-no-answer"
	ProbeAnswered    Weight = "probe-answered"
	ProbeNotFound    Weight = "probe-not-found"
	ProbeSpeaksOther Weight = "probe-speaks-other"
	ProbeMalformed   Weight = "probe-malformed"
	ProbeUnserved    Weight = "probe-unserved"
	ProbeSpokenTo    Weight = "probe-spoken-to"
	ProbeChanged     Weight = "probe-changed"
	ProbeLifeBudget  Weight = "probe-life-is-budget"
	ProbeTight       Weight = "probe-tight"
	ProbeOneStrike   Weight = "probe-one-strike"
	ProbeNeverReady  Weight = "probe-never-ready"
	ProbeTookLonger  Weight = "probe-took-longer"
	ProbeOutlived    Weight = "probe-outlived"
	ProbeShortWait   Weight = "probe-short-timeout"
	ProbeSaysNo      Weight = "probe-says-no"
)

var probeWeights = map[Weight]Entry{
	ProbeFailsNow:    {1.0, "the probe fails now, which is what this would look like, and much else"},
	ProbeKills:       {1.5, "the kubelet itself says that it ended the container for this probe"},
	ProbeUnnamed:     {5.0, "a probe at a port name that the container does not declare can never pass"},
	ProbePortOther:   {1.8, "the spec tells of another port and of nothing at this one; specs need not tell all ports"},
	ProbePortAgreed:  {1.2, "several sources of the spec name the same other port"},
	ProbePortKnown:   {-3.0, "another source says that the container does listen at the probe's port"},
	ProbePortAlike:   {-3.0, "ready pods of others are probed at the same undeclared port: something unseen listens there"},
	ProbeRefused:     {2.0, "nothing listens at the port; a program that is down looks the same"},
	ProbeNoAnswer:    {0.7, "no answer in time fits a port without listener where the prober hides the refusal"},
	ProbeAnswered:    {-4.0, "something answered at the port, so it is not without listener"},
	ProbeNotFound:    {3.0, "the server answers and does not know the path"},
	ProbeSpeaksOther: {2.0, "other sources say that the port speaks another protocol"},
	ProbeMalformed:   {3.5, "what answered does not speak the probe's protocol"},
	ProbeUnserved:    {2.5, "the server speaks gRPC and has no health service"},
	ProbeSpokenTo:    {-4.0, "the server answered in the probe's own protocol"},
	ProbeChanged:     {1.5, "the revision before had another setting"},
	ProbeLifeBudget:  {2.0, "the killed instances lived as long as the probe gives them and no longer"},
	ProbeTight:       {1.0, "few programs start in less than ten seconds every time"},
	ProbeOneStrike:   {1.0, "a single late answer is enough to be killed"},
	ProbeNeverReady:  {-1.5, "no instance is known to have answered: the program may be dead instead of late"},
	ProbeTookLonger:  {2.5, "a pod of the same workload needed longer than the probe gives"},
	ProbeOutlived:    {1.0, "the killed instance had passed the probe for long before"},
	ProbeShortWait:   {0.3, "a time-out of a second is missed by programs that are merely busy"},
	ProbeSaysNo:      {1.5, "the program itself answers that it is not well"},
}
