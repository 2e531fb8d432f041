package finding

// The weights of the scheduling family.
const (
	LiftedAlone      Weight = "lifted-alone"
	LiftedTogether   Weight = "lifted-together"
	SchedulerAgrees  Weight = "scheduler-agrees"
	SchedulerDiffers Weight = "scheduler-differs"
	SchedulerOnly    Weight = "scheduler-only"
	ObjectsDiffer    Weight = "objects-differ"
	LesserWay        Weight = "lesser-way"
	ClaimFirst       Weight = "claim-first"
	StandsInSpec     Weight = "stands-in-spec"
	NobodyAnswers    Weight = "nobody-answers"
	NodeWouldTake    Weight = "node-would-take"
	LeaseStill       Weight = "lease-still"
	SchedulerFails   Weight = "scheduler-fails"
	SchedulerLives   Weight = "scheduler-lives"
	ToldDisplaced    Weight = "told-displaced"
	SuccessorWaits   Weight = "successor-waits"
	BudgetHolds      Weight = "budget-holds"
)

var schedulingWeights = map[Weight]Entry{
	LiftedAlone:      {4.0, "computed from the objects: without this one constraint, and no other, there would be a node"},
	LiftedTogether:   {2.0, "computed from the objects: it stands in the way, but not alone"},
	SchedulerAgrees:  {2.0, "the scheduler, which computes on its own, names the same reason"},
	SchedulerDiffers: {-2.5, "the scheduler names other reasons: it knows something that the objects here do not show, or it spoke of an earlier moment"},
	SchedulerOnly:    {3.5, "the scheduler names the reason, but the objects to try it on are not known"},
	ObjectsDiffer:    {-1.0, "the objects that are known would let the pod in; others may not be known"},
	LesserWay:        {-2.0, "another constraint, lifted alone, would open more nodes"},
	ClaimFirst:       {-2.0, "a volume claim keeps the pod from every node, whatever else stands against it"},
	StandsInSpec:     {5.5, "the pod's own spec says so, and no opinion is needed"},
	NobodyAnswers:    {2.0, "a pod that waits for long, of which the scheduler has said nothing, was not looked at"},
	NodeWouldTake:    {2.0, "computed from the objects: a node would take the pod, so it waits for nothing but the scheduler"},
	LeaseStill:       {2.5, "a scheduler that works renews its lease every few seconds"},
	SchedulerFails:   {2.5, "the scheduler's own pod does not run"},
	SchedulerLives:   {-1.5, "the scheduler's pod runs and is ready; it may still not serve this pod"},
	ToldDisplaced:    {4.5, "the component that removed the pod says so, in the pod's condition or in an Event"},
	SuccessorWaits:   {2.0, "what took its place is where its successor would go: that the successor waits is the consequence"},
	BudgetHolds:      {3.5, "the budget's own status allows no disruption, although every pod is healthy"},
}
