// Package exit holds the rules for causes of the family exit/: how a
// container's program ended, or why it could not even begin.
package exit

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return slices.Concat(startRules(), saidRules(), []rule.Rule{
		{
			Cause: DependencyUnavailable, Eval: evalDependencyUnavailable,
			Doc:    "The program quits by itself and its last words complain of a peer in another pod.",
			Rivals: []finding.Cause{ConfigMissing, SidecarOrder, "config/address-wrong"},
		},
		{
			Cause: SidecarOrder, Eval: evalSidecarOrder,
			Doc:    "The program quits because an address of its own pod refuses, and the container that serves it began only after it.",
			Rivals: []finding.Cause{DependencyUnavailable},
		},
		{
			Cause: ConfigInvalid, Eval: evalConfigInvalid,
			Doc:    "A configuration is there and cannot be used: the kubelet or the runtime refuses the container's own settings, or the program's last words say that its configuration is malformed or unknown to it.",
			Rivals: []finding.Cause{ConfigMissing, "config/object-missing", DependencyUnavailable},
		},
		{
			Cause: PortConflict, Eval: evalPortConflict,
			Doc:    "Another socket of the pod or node listens on the program's port: its last words say so (EADDRINUSE), or another container of the pod is told to listen on the port that it declares, and it ends by itself.",
			Rivals: []finding.Cause{CapabilityDenied, "probe/readiness-port"},
		},
		{
			Cause: CompletedLoop, Eval: evalCompletedLoop,
			Doc:    "The main process ends without an error, unasked, and the kubelet starts it again: it should be a Job or stay in the foreground.",
			Rivals: []finding.Cause{PanicOrUsage, "exit/terminated-on-request"},
		},
		{
			Cause: InitFailed, Eval: evalInitFailed,
			Doc:    "An init container ends with an error or does not end, and the main containers never begin.",
			Rivals: []finding.Cause{DependencyUnavailable, PanicOrUsage},
		},
	}, signalRules())
}

// startRules are the causes for which a program cannot even begin.
func startRules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: CommandNotFound, Eval: evalCommandNotFound,
			Doc:    "The command, its interpreter or its loader is not in the image: the runtime's attempt to execute it was answered with ENOENT, or the shell ended with 127.",
			Rivals: []finding.Cause{NotExecutable, WrongArchitecture, "image/not-found"},
		},
		{
			Cause: NotExecutable, Eval: evalNotExecutable,
			Doc:    "The command is there but may not be executed: EACCES at the start, or exit code 126.",
			Rivals: []finding.Cause{CommandNotFound},
		},
		{
			Cause: WrongArchitecture, Eval: evalWrongArchitecture,
			Doc:    "The program is built for another processor: the kernel answered the attempt to execute it with ENOEXEC.",
			Rivals: []finding.Cause{CommandNotFound, IllegalInstruction},
		},
	}
}

// signalRules are the causes for which a program ends by a signal of its own
// making.
func signalRules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: IllegalInstruction, Eval: evalSignal(IllegalInstruction),
			Doc:    "The program used an instruction that the processor does not have: exit code 132 (SIGILL).",
			Rivals: []finding.Cause{Segfault, WrongArchitecture},
		},
		{
			Cause: Abort, Eval: evalSignal(Abort),
			Doc:    "The program ended itself with SIGABRT, as assertions and allocators do: exit code 134.",
			Rivals: []finding.Cause{Segfault, "exit/killed-by-other"},
		},
		{
			Cause: BusError, Eval: evalSignal(BusError),
			Doc:    "A mapped file shrank, its storage failed, or shared memory was full: exit code 135 (SIGBUS).",
			Rivals: []finding.Cause{Segfault},
		},
		{
			Cause: Segfault, Eval: evalSignal(Segfault),
			Doc:    "The program touched memory that is not its own: exit code 139 (SIGSEGV).",
			Rivals: []finding.Cause{"memory/limit-oom", BusError},
		},
		{
			Cause: SeccompDenied, Eval: evalSignal(SeccompDenied),
			Doc:    "The seccomp profile killed the program for a system call: exit code 159 (SIGSYS).",
			Rivals: []finding.Cause{"exit/capability-denied"},
		},
		{
			Cause: KilledByOther, Eval: evalKilledByOther,
			Doc:    "Another process ended the program with a signal: the kernel saw the signal delivered, and its sender is a process of this or another container or of the node, neither kernel nor runtime.",
			Rivals: []finding.Cause{"memory/limit-oom", "memory/node-oom", KilledAfter, TerminatedAsked, Segfault},
		},
		{
			Cause: KilledAfter, Eval: evalKilledAfterGrace,
			Doc:    "The program did not end on the runtime's request to stop and was killed when the grace period was over: the kernel saw the request delivered and the runtime's SIGKILL, or the end came that long after the kubelet's report.",
			Rivals: []finding.Cause{SigtermIgnored, TerminatedAsked, KilledByOther, "memory/limit-oom"},
		},
		{
			Cause: SigtermIgnored, Eval: evalSigtermIgnored,
			Doc:    "The program never gets the request to stop: the kernel saw the signal to the container's first process being ignored, for want of a handler or because the program asked so.",
			Rivals: []finding.Cause{KilledAfter},
		},
		{
			Cause: TerminatedAsked, Eval: evalTerminated,
			Doc:    "The program was stopped on request and ended within the grace period: the kernel saw the runtime's signal, or the kubelet reported the stop and the code is 143 (SIGTERM).",
			Rivals: []finding.Cause{KilledAfter, KilledByOther},
		},
	}
}
