package finding

// The weights of the image family.
const (
	PullAnswered   Weight = "pull-answered"
	PullAmbiguous  Weight = "pull-ambiguous"
	PullNever      Weight = "pull-not-answered"
	SecretMissing  Weight = "pull-secret-missing"
	SecretNotFor   Weight = "pull-secret-foreign"
	NoPullSecret   Weight = "no-pull-secret"
	OthersHaveOne  Weight = "others-have-pull-secret"
	OtherTagRuns   Weight = "other-tag-runs"
	OtherNameRan   Weight = "other-name-ran"
	PublicRegistry Weight = "public-images-only"
)

var imageWeights = map[Weight]Entry{
	PullAnswered:   {5.0, "the registry, the resolver or the runtime itself answered so; only its words had to be typed"},
	PullAmbiguous:  {1.5, "the registry hides whether an image is missing or forbidden; either fits"},
	PullNever:      {5.5, "the kubelet decided it from the spec alone, nobody else was asked"},
	SecretMissing:  {2.5, "credentials that are named and absent cannot be sent"},
	SecretNotFor:   {2.0, "credentials for other registries are not sent to this one"},
	NoPullSecret:   {0.5, "without a pull secret only public images can be had, and most are"},
	OthersHaveOne:  {1.5, "others pull from the same registry with a pull secret, this one has none"},
	OtherTagRuns:   {1.5, "the repository is there and readable: another tag of it runs"},
	OtherNameRan:   {1.5, "the same container ran from another repository before: the name changed, the rights did not"},
	PublicRegistry: {2.0, "Docker's own images are all public: who is refused one asks for a name that is none"},
}
