package finding

// The weights of the network family.
const (
	SelectorNear     Weight = "selector-near"
	SelectorNobody   Weight = "selector-nobody"
	NoneReady        Weight = "none-ready"
	NamedByCallers   Weight = "named-by-callers"
	CallersComplain  Weight = "callers-complain"
	UnreadyComplaint Weight = "complaint-of-unready"
	TargetUnnamed    Weight = "target-unnamed"
	TargetUndeclared Weight = "target-undeclared"
	TargetAgreed     Weight = "target-agreed"
	TargetManyAgree  Weight = "target-many-agree"
	TransportDiffers Weight = "transport-differs"
	ApplicationOther Weight = "application-differs"
	SelectsStrangers Weight = "selects-strangers"
	StrangersOwn     Weight = "strangers-own-service"
	NoLocalBackend   Weight = "no-local-backend"
	RefusedByLog     Weight = "refused-by-log"
	ReadyBehind      Weight = "ready-behind"
	RouteBreaks      Weight = "route-breaks-pattern"
	RouteOrphaned    Weight = "route-orphans-service"
	RouteBreaksAlone Weight = "route-breaks-alone"
	RouteNowhere     Weight = "route-to-nowhere"
	RouteNoPort      Weight = "route-to-no-port"
	RouteSure        Weight = "route-surely-wrong"
	PolicyDenies     Weight = "policy-denies"
	PolicyIsNewer    Weight = "policy-newer"
	CallersTimeOut   Weight = "callers-time-out"
	CallerUnwell     Weight = "caller-unwell"
	CallersSilent    Weight = "callers-silent"
)

var networkWeights = map[Weight]Entry{
	SelectorNear:     {4.0, "a selector that matches nobody serves nobody, and one changed label would match pods that several signs say are meant"},
	SelectorNobody:   {2.5, "a selector that matches nobody serves nobody; whether the selector or the pods are wrong is open"},
	NoneReady:        {1.8, "a Service without a ready pod answers nobody; why they are not ready is another question"},
	NamedByCallers:   {0.5, "somebody is configured to call it, so that it matters"},
	CallersComplain:  {1.5, "a caller's own log complains of exactly this Service"},
	UnreadyComplaint: {0.5, "a caller complains of it, which says that it matters and not why the pods are not ready"},
	TargetUnnamed:    {4.5, "a port name that no container declares is no endpoint at all"},
	TargetUndeclared: {1.8, "the pods declare other ports; declaring is not compulsory"},
	TargetAgreed:     {1.2, "a second source, as a passing probe or the environment, names the same other port"},
	TargetManyAgree:  {0.8, "three sources and more name the same other port"},
	TransportDiffers: {4.5, "the same number by another transport protocol reaches nobody"},
	ApplicationOther: {1.5, "what a proxy is told to speak differs from what the pods answer; without a proxy nobody cares"},
	SelectsStrangers: {2.5, "ready pods that do not listen on the target port are among the endpoints"},
	StrangersOwn:     {1.0, "these pods have a Service of their own: they are not meant by this one"},
	NoLocalBackend:   {4.0, "kube-proxy drops what may not leave a node without endpoint"},
	RefusedByLog:     {1.5, "a log line tells that nothing accepted; which end is at fault it does not tell"},
	ReadyBehind:      {1.0, "Kubernetes takes the pods behind it for ready, so that nothing else of the API explains a refusal"},
	RouteBreaks:      {3.0, "the route's name and path tell one Service and it leads to another, while its siblings lead where they tell"},
	RouteOrphaned:    {1.0, "nothing else leads to the Service that the route tells"},
	RouteBreaksAlone: {0.5, "one against ten and more"},
	RouteNowhere:     {2.0, "a route to a name that no Service has; a name outside of the cluster looks the same"},
	RouteNoPort:      {3.0, "the Service has no such port, so that its address does not answer there"},
	RouteSure:        {2.0, "an Ingress can lead to Services only, or a Service of nearly that name is there"},
	PolicyDenies:     {2.5, "no rule allows the calls; whether the network enforces policies is not known"},
	PolicyIsNewer:    {0.7, "the policy came when the pods were there"},
	CallersTimeOut:   {2.0, "a caller waits in vain for exactly this Service, as behind a policy that drops"},
	CallerUnwell:     {1.0, "a caller is not ready, which fits and has many other causes"},
	CallersSilent:    {-1.5, "no caller complains, so that the calls may not be made or the policy not be enforced"},
}
