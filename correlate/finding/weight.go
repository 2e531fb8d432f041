package finding

import (
	"maps"
	"math"
)

// Weight names an entry of the table of log-odds. There is one table, so that
// the relative strength of two kinds of evidence is decided in one place.
type Weight string

// Entry is a weight's log-odds and the reason for its size.
type Entry struct {
	LogOdds float64
	Reason  string
}

// prior is the log-odds of a hypothesis before its own evidence. Hypotheses
// without evidence of their own are never listed, so it only sets the scale:
// one strong statement of the kernel makes "high", two sources "certain".
const prior = -2.0

// Table is the one place where evidence gets its strength. Each family of
// causes has its block, in a file of its own beside this one; a weight belongs
// to one block.
var Table = table()

var blocks = []map[Weight]Entry{
	engineWeights,
	admissionWeights,
	nodeWeights,
	changeWeights,
	memoryWeights,
	schedulingWeights,
	storageWeights,
	exitWeights,
	signalWeights,
	probeWeights,
	imageWeights,
	configWeights,
	saturationWeights,
	networkWeights,
	dnsWeights,
}

func table() map[Weight]Entry {
	out := map[Weight]Entry{}
	for _, b := range blocks {
		maps.Copy(out, b)
	}
	return out
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

// Odds is the ratio behind LogOdds.
func (h Hypothesis) Odds() float64 { return math.Exp(h.LogOdds()) }

// Own is the probability behind LogOdds, as if there were no rivals.
func (h Hypothesis) Own() float64 { return 1 / (1 + math.Exp(-h.LogOdds())) }

// Confidence is the probability behind LogOdds shared with the rivals, never
// above ceiling (which coverage sets: what was lost or refused cannot be
// certain).
func (h Hypothesis) Confidence(ceiling float64) float64 {
	o := h.Odds()
	p := o / (1 + o + h.Rivals)
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
