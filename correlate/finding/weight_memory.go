package finding

// The weights of the memory family.
const (
	KillReported  Weight = "kill-reported"
	KillBySource2 Weight = "kill-second-source"
	ReasonOOM     Weight = "reason-oom-killed"
	InitOOM       Weight = "runtime-init-oom"
	NearLimit     Weight = "near-limit"
	GrewToLimit   Weight = "grew-to-limit"
	ShortLives    Weight = "only-short-lives"
	DiedAtStart   Weight = "died-at-start"
	RepeatedEnd   Weight = "repeated-end"

	ChosenByScore    Weight = "chosen-by-score"
	EvictionReported Weight = "eviction-reported"
)

var memoryWeights = map[Weight]Entry{
	KillReported:  {4.5, "the kernel itself names victim, limit and use; it does not report kills that did not happen"},
	KillBySource2: {2.0, "a second, independent source tells of the same kill"},
	ReasonOOM:     {3.5, "the runtime saw the cgroup's OOM flag; it cannot tell whose limit was hit"},
	InitOOM:       {4.5, "the runtime could not even start the process within the limit"},
	NearLimit:     {1.0, "use close to the limit fits, and is also seen with page cache alone"},
	GrewToLimit:   {1.0, "growth that points at the limit fits the kill"},
	ShortLives:    {1.5, "no known instance lived longer than a start-up"},
	DiedAtStart:   {-2.0, "an instance that dies while it starts had no time to grow"},
	RepeatedEnd:   {0.5, "the same end more than once is a pattern, not an accident"},

	ChosenByScore:    {0.5, "the score that the kubelet gave it made it the kernel's choice"},
	EvictionReported: {5.0, "the kubelet itself evicts, and writes for which resource"},
}
