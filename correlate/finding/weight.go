package finding

import "math"

// Weight names an entry of the table of log-odds. There is one table, so that
// the relative strength of two kinds of evidence is decided in one place.
type Weight string

// The weights.
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
)

// Entry is a weight's log-odds and the reason for its size.
type Entry struct {
	LogOdds float64
	Reason  string
}

// prior is the log-odds of a hypothesis before its own evidence. Hypotheses
// without evidence of their own are never listed, so it only sets the scale:
// one strong statement of the kernel makes "high", two sources "certain".
const prior = -2.0

// Table is the one place where evidence gets its strength.
var Table = map[Weight]Entry{
	KillReported:  {4.5, "the kernel itself names victim, limit and use; it does not report kills that did not happen"},
	KillBySource2: {2.0, "a second, independent source tells of the same kill"},
	ReasonOOM:     {3.5, "the runtime saw the cgroup's OOM flag; it cannot tell whose limit was hit"},
	InitOOM:       {4.5, "the runtime could not even start the process within the limit"},
	NearLimit:     {1.0, "use close to the limit fits, and is also seen with page cache alone"},
	GrewToLimit:   {1.0, "growth that points at the limit fits the kill"},
	ShortLives:    {1.5, "no known instance lived longer than a start-up"},
	DiedAtStart:   {-2.0, "an instance that dies while it starts had no time to grow"},
	RepeatedEnd:   {0.5, "the same end more than once is a pattern, not an accident"},
}

// LogOdds is the prior plus everything for the hypothesis plus everything
// against it.
func (h Hypothesis) LogOdds() float64 {
	sum := prior
	for _, s := range h.For {
		sum += Table[s.Weight].LogOdds
	}
	for _, s := range h.Against {
		sum += Table[s.Weight].LogOdds
	}
	return sum
}

// Confidence is the probability behind LogOdds, never above ceiling (which
// coverage sets: what was lost or refused cannot be certain).
func (h Hypothesis) Confidence(ceiling float64) float64 {
	p := 1 / (1 + math.Exp(-h.LogOdds()))
	return math.Round(math.Min(p, ceiling)*1000) / 1000
}

// Words turns a confidence into the word shown to people.
func Words(confidence float64) string {
	switch {
	case confidence >= 0.97:
		return "certain"
	case confidence >= 0.85:
		return "high"
	case confidence >= 0.6:
		return "medium"
	}
	return "low"
}

// Supported is the confidence from which a hypothesis counts as supported.
const Supported = 0.6
