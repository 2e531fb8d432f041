package finding

// The weights of what the engine itself finds, whatever the family.
const (
	Stale       Weight = "stale"
	Symptomatic Weight = "symptomatic"
)

var engineWeights = map[Weight]Entry{
	Stale:       {-3.0, "what is over and does not account for what is wrong now is seldom what somebody asks about"},
	Symptomatic: {-4.0, "a Service without ready pods is what one sees of pods that fail; why they fail is not known"},
}
