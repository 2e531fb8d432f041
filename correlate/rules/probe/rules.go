// Package probe holds the rules for causes of the family probe/: health probes
// that ask the wrong thing, or too early, and those that rightly say no.
package probe

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/observers/health"
)

// The causes.
const (
	LivenessPort      finding.Cause = "probe/liveness-port"
	LivenessProtocol  finding.Cause = "probe/liveness-protocol"
	TooEager          finding.Cause = "probe/liveness-too-eager"
	KillsSlow         finding.Cause = "probe/liveness-kills-slow"
	ReadinessPort     finding.Cause = "probe/readiness-port"
	ReadinessProtocol finding.Cause = "probe/readiness-protocol"
	ReadinessFailing  finding.Cause = "probe/readiness-failing"
	StartupPort       finding.Cause = "probe/startup-port"
	StartupProtocol   finding.Cause = "probe/startup-protocol"
	StartupTooSlow    finding.Cause = "probe/startup-too-slow"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: LivenessPort, Eval: evalPort(health.Liveness),
			Doc:    "The liveness probe asks a port or path at which nobody answers, while declarations, environment, other probes or the previous revision say where the container listens; the kubelet kills it for that.",
			Rivals: []finding.Cause{LivenessProtocol, TooEager, "process/deadlock"},
		},
		{
			Cause: LivenessProtocol, Eval: evalProtocol(health.Liveness),
			Doc:    "The liveness probe speaks another protocol than the port: the reply is malformed, or other sources say what the port speaks.",
			Rivals: []finding.Cause{LivenessPort},
		},
		{
			Cause: TooEager, Eval: evalTooEager,
			Doc:    "The liveness probe kills the container while it still starts: killed instances lived as long as the probe's patience, which is shorter than a start takes.",
			Rivals: []finding.Cause{LivenessPort, KillsSlow, "process/deadlock"},
		},
		{
			Cause: KillsSlow, Eval: evalKillsSlow,
			Doc:    "The liveness probe kills a container that was well for long and then answered late.",
			Rivals: []finding.Cause{TooEager, "cpu/throttled", "process/deadlock"},
		},
		{
			Cause: ReadinessPort, Eval: evalPort(health.Readiness),
			Doc:    "The readiness probe asks a port or path at which nobody answers, while other sources say where the container listens; it never becomes ready.",
			Rivals: []finding.Cause{ReadinessProtocol, ReadinessFailing},
		},
		{
			Cause: ReadinessProtocol, Eval: evalProtocol(health.Readiness),
			Doc:    "The readiness probe speaks another protocol than the port.",
			Rivals: []finding.Cause{ReadinessPort},
		},
		{
			Cause: ReadinessFailing, Eval: evalReadinessFailing,
			Doc:    "The readiness probe asks where the container listens, and the program says no or does not answer.",
			Rivals: []finding.Cause{ReadinessPort, ReadinessProtocol},
		},
		{
			Cause: StartupPort, Eval: evalPort(health.StartupKind),
			Doc:    "The startup probe asks a port or path at which nobody answers, while other sources say where the container listens.",
			Rivals: []finding.Cause{StartupTooSlow, StartupProtocol},
		},
		{
			Cause: StartupProtocol, Eval: evalProtocol(health.StartupKind),
			Doc:    "The startup probe speaks another protocol than the port.",
			Rivals: []finding.Cause{StartupPort},
		},
		{
			Cause: StartupTooSlow, Eval: evalStartup,
			Doc:    "The container takes longer to start than its startup probe waits: killed instances lived as long as that.",
			Rivals: []finding.Cause{TooEager, StartupPort},
		},
	}
}
