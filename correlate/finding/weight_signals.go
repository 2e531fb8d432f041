package finding

// The weights of what the kernel and the kubelet tell of who ended a program.
const (
	SignalSeen    Weight = "signal-seen"
	StopSeen      Weight = "stop-seen"
	ExitSeen      Weight = "exit-seen"
	ExitDiffers   Weight = "exit-differs"
	StopReported  Weight = "stop-reported"
	EndAfterGrace Weight = "end-after-grace"
	AskedByProbe  Weight = "asked-by-probe"
	FaultLogged   Weight = "fault-logged"
)

var signalWeights = map[Weight]Entry{
	SignalSeen:    {3.5, "the kernel itself told who sent the signal, to whom, and that it was delivered"},
	StopSeen:      {1.5, "the kernel saw the runtime's request to stop and what became of it"},
	ExitSeen:      {1.5, "the kernel saw the process end as the API tells: a second, independent witness"},
	ExitDiffers:   {-1.5, "kernel and API tell different ends: one of the two is about something else"},
	StopReported:  {1.0, "the kubelet wrote that it stopped the container, at that moment"},
	EndAfterGrace: {2.0, "the end came when the grace period after the request was over, or with the code of the request"},
	FaultLogged:   {1.5, "the kernel log has one such fault on the node, in the second of the end; it does not name the container"},
	AskedByProbe:  {-6.0, "the stop was asked for because a probe failed: why that failed is the deeper cause"},
}
