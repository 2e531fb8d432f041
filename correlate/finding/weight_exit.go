package finding

// The weights of the exit family.
const (
	StartRefused  Weight = "start-refused"
	ExitCodeFits  Weight = "exit-code-fits"
	ExitCodeLoose Weight = "exit-code-loose"
	SameExit      Weight = "same-exit-each-time"
)

var exitWeights = map[Weight]Entry{
	StartRefused:  {5.5, "the runtime tried to execute the command and reports the kernel's own refusal"},
	ExitCodeFits:  {3.0, "the code is reserved for this end by the kernel or by every shell; a program could still choose it"},
	ExitCodeLoose: {1.5, "programs use this code for several ends, this among them"},
	SameExit:      {0.5, "the same end each time: what is wrong was so before the program began"},
}
