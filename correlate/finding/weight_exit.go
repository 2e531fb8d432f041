package finding

// The weights of the exit family.
const (
	StartRefused   Weight = "start-refused"
	ExitCodeFits   Weight = "exit-code-fits"
	ExitCodeLoose  Weight = "exit-code-loose"
	SameExit       Weight = "same-exit-each-time"
	EndsWell       Weight = "ends-without-error"
	LastWords      Weight = "last-words"
	ExitFitsWords  Weight = "exit-fits-words"
	EndsAtOnce     Weight = "ends-at-once"
	MateBeganLater Weight = "mate-began-later"
	InitEnded      Weight = "init-ended"
	PortDeclared   Weight = "port-declared-twice"
	InitHangs      Weight = "init-hangs"
)

var exitWeights = map[Weight]Entry{
	StartRefused:   {5.5, "the runtime tried to execute the command and reports the kernel's own refusal"},
	ExitCodeFits:   {3.0, "the code is reserved for this end by the kernel or by every shell; a program could still choose it"},
	ExitCodeLoose:  {1.5, "programs use this code for several ends, this among them"},
	EndsWell:       {3.5, "the runtime saw the program end by itself and report success, and the kubelet start it again"},
	LastWords:      {2.5, "a program usually knows why it gives up; what it wrote last is still only what it believes"},
	ExitFitsWords:  {0.5, "an end of the program's own, as after such words"},
	EndsAtOnce:     {0.5, "what is wrong was so when it began"},
	MateBeganLater: {1.5, "who it calls in its own pod was not there yet"},
	InitEnded:      {2.5, "the kubelet starts nothing else while an init container fails; why it fails is not told by that"},
	PortDeclared:   {3.0, "one socket can have the port; whoever comes second cannot listen"},
	InitHangs:      {2.5, "the kubelet starts nothing else while an init container runs"},
	SameExit:       {0.5, "the same end each time: what is wrong was so before the program began"},
}
