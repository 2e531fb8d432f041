package finding

// The weights of the admission family.
const (
	CreationRefused Weight = "creation-refused"
	PodsMissing     Weight = "pods-missing"
	QuotaExceeded   Weight = "quota-exceeded"
	QuotaUnset      Weight = "quota-unset"
	QuotaTold       Weight = "quota-told"
	QuotaNamed      Weight = "quota-named"
	QuotaFull       Weight = "quota-full"
	QuotaNew        Weight = "quota-new"
	UnservedNamed   Weight = "unserved-and-named"
	UnservedPort    Weight = "unserved-port"
	RangeBroken     Weight = "limit-range-broken"
	AccountMissing  Weight = "account-missing"
	LevelBroken     Weight = "security-level-broken"
	HookDenied      Weight = "hook-denied"
	HookDown        Weight = "hook-down"
	HookNoBackend   Weight = "hook-no-backend"
	RefusalWords    Weight = "refusal-words"
	PodChanged      Weight = "pod-not-as-template"
	ChangeFitsEnd   Weight = "change-fits-end"
	NotRefused      Weight = "not-refused"

	RefusedAccount    Weight = "account-refused"
	EndedAfterRefusal Weight = "failed-after-account-refused"
)

var admissionWeights = map[Weight]Entry{
	CreationRefused: {2.5, "the controller says that the API server refuses its pods now; it does not say rightly why"},
	PodsMissing:     {0.5, "pods that should exist do not; that alone has many reasons"},
	QuotaExceeded:   {3.0, "use plus what one more pod asks for is above the quota: the API server must refuse"},
	QuotaUnset:      {2.5, "a quota refuses pods that do not set what it counts, unless something sets it on the way"},
	QuotaTold:       {2.5, "the API server itself gave these figures when it refused"},
	QuotaNamed:      {0.5, "the refusal names this quota"},
	QuotaFull:       {1.0, "not one more fits; that is also how a quota looks that is just large enough"},
	QuotaNew:        {0.5, "the quota was made or changed within the window"},
	UnservedNamed:   {2.5, "others name a host that only the missing Service could be"},
	UnservedPort:    {1.0, "a declared port without a Service may be a Service that was refused, or nobody's"},
	RangeBroken:     {3.0, "the template asks for what the limit range forbids: the API server must refuse"},
	AccountMissing:  {3.5, "without its service account no pod is admitted"},
	LevelBroken:     {3.0, "the template breaks the enforced level, by the same checks as the API server makes"},
	HookDenied:      {3.5, "the API server names who denied"},
	HookDown:        {3.0, "the API server names the webhook that it could not call"},
	HookNoBackend:   {1.5, "nobody is there who could answer for the webhook"},
	RefusalWords:    {1.0, "the API server's words give a reason that the objects cannot confirm"},
	PodChanged:      {1.0, "something changed the pod on its way; that is often wanted"},
	ChangeFitsEnd:   {3.0, "the container fails in the very thing that was changed"},
	NotRefused:      {-1.0, "no attempt to create a pod was refused"},

	RefusedAccount:    {2.0, "the program repeats the API server's own words on its account and the right that it lacks"},
	EndedAfterRefusal: {1.5, "the container fails right after it was refused"},
}
