package finding

// The weights of the config family.
const (
	RefAbsent       Weight = "reference-absent"
	RefReported     Weight = "reference-reported"
	NoSuchAddress   Weight = "no-such-address"
	RightIsNear     Weight = "right-address-is-near"
	OthersNameRight Weight = "others-name-it-right"
	NamedRightOnce  Weight = "named-right-before"
	FailsThere      Weight = "fails-at-this-address"
	Unwell          Weight = "is-unwell"
	CredsDiffer     Weight = "credentials-differ"
	CredsOddOneOut  Weight = "credentials-odd-one-out"
	LoginRefused    Weight = "login-refused"
	ChangedSince    Weight = "changed-since-start"
	BeganAtChange   Weight = "began-at-change"
	SaysConfig      Weight = "says-configuration"
)

var configWeights = map[Weight]Entry{
	RefAbsent:       {5.5, "the object was looked up and is not there; the kubelet needs it before it can start the container"},
	RefReported:     {4.5, "the kubelet itself looked it up and did not find it"},
	NoSuchAddress:   {1.0, "a name that no Service has can still be one that is never called, or an outside host"},
	RightIsNear:     {1.3, "something with nearly this address is there: a slip of the pen is likelier than a stranger"},
	OthersNameRight: {1.0, "others call the same thing by its right address"},
	NamedRightOnce:  {2.5, "the revision before had the right address"},
	FailsThere:      {3.0, "the program itself complains of just this address"},
	Unwell:          {0.7, "the program is not well, as one without its peer would be"},
	CredsDiffer:     {2.5, "compared with the server's own; a server can also know accounts that its configuration does not name"},
	CredsOddOneOut:  {2.0, "all other clients of the server agree with each other and not with this one"},
	LoginRefused:    {3.0, "a server refused the credentials, as a log says"},
	ChangedSince:    {1.0, "objects often change without harm"},
	BeganAtChange:   {2.0, "the trouble began after the change and not before"},
	SaysConfig:      {3.0, "the program itself says that it cannot use its configuration"},
}
