package finding

// The weights of what the engine itself finds, whatever the family.
const (
	Stale Weight = "stale"
)

var engineWeights = map[Weight]Entry{
	Stale: {-3.0, "what is over and does not account for what is wrong now is seldom what somebody asks about"},
}
