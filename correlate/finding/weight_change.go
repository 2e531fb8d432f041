package finding

// The weights of the change and lifecycle families.
const (
	ZeroWanted      Weight = "zero-pods-wanted"
	ZeroNeeded      Weight = "zero-pods-but-needed"
	ZeroServed      Weight = "zero-pods-behind-service"
	ZeroNew         Weight = "zero-pods-of-late"
	ZeroFromBirth   Weight = "zero-pods-from-the-start"
	CallersOfIt     Weight = "callers-of-it-complain"
	AskedAbout      Weight = "asked-about-itself"
	NewUnready      Weight = "new-revision-unready"
	OldReady        Weight = "old-revision-ready"
	DeadlinePassed  Weight = "progress-deadline-passed"
	TemplateDiffers Weight = "template-differs"
	ConfigEdited    Weight = "config-edited"
	OnsetFollows    Weight = "onset-follows-edit"
	ScalerBroken    Weight = "autoscaler-broken"
	ScalerAtMax     Weight = "autoscaler-at-maximum"
	APISilent       Weight = "api-group-silent"
	PodInTheWay     Weight = "pod-in-the-way"
	DigestsDiffer   Weight = "digests-differ"
	DeletionStuck   Weight = "deletion-stuck"
	FinalizerLeft   Weight = "finalizer-left"
	JobGaveUp       Weight = "job-gave-up"
	MainDone        Weight = "main-container-done"
	ScheduleMissed  Weight = "schedule-missed"
)

var changeWeights = map[Weight]Entry{
	ZeroWanted:      {0.5, "no pod is asked for; that is often wanted"},
	ZeroServed:      {1.0, "a Service leads to it, so somebody meant it to be called"},
	ZeroNeeded:      {2.5, "others name its Service in their configuration"},
	ZeroNew:         {1.5, "it was scaled down within the window"},
	ZeroFromBirth:   {-1.5, "it was made with no pods: nobody took them away"},
	CallersOfIt:     {2.0, "programs complain of calls to it now"},
	AskedAbout:      {2.5, "the question is about this very object"},
	NewUnready:      {1.5, "none of the newest revision's pods is ready"},
	OldReady:        {2.0, "pods of the earlier revision are ready at the same time, in the same surroundings"},
	DeadlinePassed:  {1.5, "the controller itself has given the rollout up"},
	TemplateDiffers: {0.5, "the templates differ in more than their name"},
	ConfigEdited:    {1.0, "configuration that it uses was edited within the window"},
	OnsetFollows:    {1.5, "the trouble began soon after the edit, and there was none before"},
	ScalerBroken:    {3.0, "the autoscaler itself says that it cannot work"},
	ScalerAtMax:     {1.0, "an autoscaler at its maximum is at least out of room"},
	APISilent:       {3.5, "the API server names the group whose server does not answer"},
	PodInTheWay:     {3.5, "its controller waits for the broken pod of the old revision before it goes on"},
	DigestsDiffer:   {3.5, "all pods of one image are ready and none of the other, under one name and template"},
	DeletionStuck:   {1.5, "deletion was asked for long ago and the object is still there"},
	FinalizerLeft:   {2.0, "a finalizer is left that nobody has removed"},
	JobGaveUp:       {3.0, "the Job's controller itself has given up"},
	MainDone:        {3.5, "the main container has ended well and another keeps the pod running"},
	ScheduleMissed:  {3.0, "the schedule says that a run was due, and there was none"},
}
