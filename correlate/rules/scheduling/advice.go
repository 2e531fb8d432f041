package scheduling

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// alternatives lists what was tried: each constraint lifted alone, smallest
// change first (a smaller request before another pod's end before a label),
// and those that do not help.
func alternatives(x waiting) []finding.Alternative {
	var helps, not []finding.Alternative
	for _, t := range x.trials {
		name, node := scheduling.Name.Or(t.Event, ""), nearest(t)
		frees := scheduling.Frees.Or(t.Event, 0)
		if frees == 0 {
			not = append(not, finding.Alternative{Change: change(t), Effect: "more stands against the same nodes"})
			continue
		}
		a := finding.Alternative{Change: change(t), Helps: true, Effect: "fits " + node}
		if frees > 1 {
			a.Effect += fmt.Sprintf(" and %d more", frees-1)
		}
		if free := scheduling.Free.Or(t.Event, 0); isAmount(name) && free > 0 {
			a.Effect = "fits " + node
		}
		helps = append(helps, a)
	}
	for _, l := range x.leaves {
		allowed := map[string]string{scheduling.Yes: "its disruption budget allows it", scheduling.No: "its disruption budget forbids it"}[scheduling.Allowed.Or(l.Event, "")]
		a := finding.Alternative{Change: scheduling.Leaver.Or(l.Event, "") + " leaves " + nearest(l), Helps: true, Effect: allowed}
		if allowed == "" {
			a.Effect = "whether its disruption budget allows it is not known"
		}
		helps = append(helps, a)
	}
	return append(helps, not...)
}

func isAmount(constraint string) bool {
	switch constraint {
	case scheduling.CPU, scheduling.Memory, scheduling.Ephemeral, scheduling.Device:
		return true
	}
	return false
}

// change words the lifting of one constraint.
func change(t window.Fact) string {
	name := scheduling.Name.Or(t.Event, "")
	lacks, node := scheduling.Lacks.Or(t.Event, ""), nearest(t)
	switch name {
	case scheduling.CPU, scheduling.Memory, scheduling.Ephemeral, scheduling.Device:
		what := name
		if r := scheduling.Resource.Or(t.Event, ""); r != "" {
			what = r
		}
		if free := scheduling.Free.Or(t.Event, 0); free > 0 {
			return fmt.Sprintf("%s request <= %s", what, claims.Amount(name, free))
		}
		return "no " + what + " request"
	case scheduling.PodCount:
		return "one pod less on " + node
	case scheduling.Selector:
		return "label " + node + " " + lacks
	case scheduling.Affinity:
		return "no required node affinity"
	case scheduling.VolumeNode:
		return "a node that reaches volume " + lacks
	case scheduling.Taint:
		return "tolerating " + lacks
	case scheduling.Condition:
		return node + " well again"
	case scheduling.Cordon:
		return "uncordon " + node
	case scheduling.AntiAffinity:
		return "no required pod anti-affinity"
	case scheduling.PodAffinity:
		return "no required pod affinity"
	case scheduling.Spread:
		return "no topology spread that forbids"
	case scheduling.HostPort:
		return "another port than " + lacks
	}
	return name
}

// advise gives the smallest change for the blamed constraint, with its undo.
func advise(w *window.Window, x waiting, b blame) []finding.Advice {
	trial, ok := x.trial(b.constraint)
	n := w.Graph.Name(x.pod)
	look := finding.Advice{
		Command: fmt.Sprintf("kubectl -n %s describe pod %s", n.Namespace, n.Name), Expect: "the scheduler's own message in full",
	}
	if !ok {
		return []finding.Advice{look}
	}
	var out []finding.Advice
	node, lacks := nearest(trial), scheduling.Lacks.Or(trial.Event, "")
	switch b.constraint {
	case scheduling.CPU, scheduling.Memory, scheduling.Ephemeral:
		out = append(out, smaller(w, x, trial, b.constraint)...)
	case scheduling.Selector:
		if !strings.Contains(lacks, "kubernetes.io/hostname=") && node != "" {
			out = append(out, finding.Advice{
				Command: fmt.Sprintf("kubectl label node %s %s", node, strings.ReplaceAll(lacks, ",", " ")), ChangesCluster: true,
				Expect: "if that node is really of this kind: the pod fits it", Undo: fmt.Sprintf("kubectl label node %s %s", node, unlabel(lacks)),
			})
		}
		out = append(out, patch(w, x, "nodeSelector", "the pod may go to any node")...)
	case scheduling.Affinity:
		out = append(out, patch(w, x, "affinity/nodeAffinity", "the pod may go to any node")...)
	case scheduling.Taint:
		for taint := range strings.SplitSeq(lacks, ",") {
			key, effect := splitTaint(taint)
			out = append(out, finding.Advice{
				Command: fmt.Sprintf("kubectl taint node %s %s:%s-", node, key, effect), ChangesCluster: true,
				Expect: "if the taint is no longer meant; else give the pod a toleration", Undo: fmt.Sprintf("kubectl taint node %s %s", node, taint),
			})
		}
	case scheduling.Condition:
		out = append(out, finding.Advice{Command: "kubectl describe node " + node, Expect: "its conditions, and since when"})
	case scheduling.Cordon:
		out = append(out, finding.Advice{
			Command: "kubectl uncordon " + node, ChangesCluster: true, Expect: "the pod fits it", Undo: "kubectl cordon " + node,
		})
	case scheduling.AntiAffinity:
		out = append(out, fewer(w, x)...)
		out = append(out, patch(w, x, "affinity/podAntiAffinity", "pods of one sort may share a node")...)
	case scheduling.PodAffinity:
		out = append(out, patch(w, x, "affinity/podAffinity", "the pod may go where its peer is not")...)
	case scheduling.Spread:
		out = append(out, patch(w, x, "topologySpreadConstraints", "the pods may be spread unevenly")...)
	case scheduling.HostPort:
		if ns, name, ok := strings.Cut(scheduling.Holder.Or(trial.Event, ""), "/"); ok {
			out = append(out, finding.Advice{Command: fmt.Sprintf("kubectl -n %s get pod %s -o wide", ns, name), Expect: "who holds the port"})
		}
	}
	out = append(out, back(w, x)...)
	if len(out) == 0 {
		out = append(out, look)
	}
	return out
}

// owner is the workload whose template a command can change.
func owner(w *window.Window, x waiting) (kind, namespace, name string, ok bool) {
	wl, owned := w.Graph.WorkloadOf(x.pod)
	if !owned {
		return "", "", "", false
	}
	n := w.Graph.Name(wl)
	switch n.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		return strings.ToLower(n.Kind), n.Namespace, n.Name, true
	}
	return "", "", "", false
}

// smaller proposes the largest request that fits somewhere.
func smaller(w *window.Window, x waiting, trial window.Fact, constraint string) []finding.Advice {
	kind, ns, name, ok := owner(w, x)
	free, need := scheduling.Free.Or(trial.Event, 0), scheduling.Request.Or(trial.Event, 0)
	containers := w.Graph.Containers(x.pod)
	if !ok || free <= 0 || len(containers) != 1 || scheduling.Frees.Or(trial.Event, 0) == 0 {
		return nil
	}
	return []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s set resources %s/%s -c %s --requests=%s=%s", ns, kind, name, containers[0].Leaf(), constraint, exact(constraint, free)),
		Expect:  "the largest request that fits, on " + nearest(trial), ChangesCluster: true,
		Undo: fmt.Sprintf("--requests=%s=%s", constraint, exact(constraint, need)),
	}}
}

// exact renders an amount so that nothing is rounded up.
func exact(constraint string, n int64) string {
	if constraint == scheduling.CPU {
		return claims.Amount(constraint, n)
	}
	if n >= 1<<20 {
		return fmt.Sprintf("%dMi", n>>20)
	}
	return fmt.Sprint(n)
}

// patch proposes to take a field out of the template of the pod's workload.
func patch(w *window.Window, x waiting, field, expect string) []finding.Advice {
	kind, ns, name, ok := owner(w, x)
	if !ok {
		return nil
	}
	return []finding.Advice{{
		Command: fmt.Sprintf(`kubectl -n %s patch %s %s --type=json -p '[{"op":"remove","path":"/spec/template/spec/%s"}]'`, ns, kind, name, field),
		Expect:  expect, ChangesCluster: true, Undo: fmt.Sprintf("kubectl -n %s rollout undo %s/%s", ns, kind, name),
	}}
}

// fewer proposes as many replicas as have a node.
func fewer(w *window.Window, x waiting) []finding.Advice {
	kind, ns, name, ok := owner(w, x)
	wl, _ := w.Graph.WorkloadOf(x.pod)
	f := w.Graph.Workload(wl)
	if !ok || !f.Known || f.Available < 1 || f.Available >= f.Desired {
		return nil
	}
	return []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s scale %s/%s --replicas=%d", ns, kind, name, f.Available), ChangesCluster: true,
		Expect: words.Count(f.Available, "pod") + " have a node", Undo: fmt.Sprintf("--replicas=%d", f.Desired),
	}}
}

// back proposes the template before, when there is one.
func back(w *window.Window, x waiting) []finding.Advice {
	kind, ns, name, ok := owner(w, x)
	wl, _ := w.Graph.WorkloadOf(x.pod)
	rev := w.Graph.Workload(wl).Revision
	if !ok || kind != "deployment" || rev == "" || rev == "1" {
		return nil
	}
	return []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s rollout undo %s/%s", ns, kind, name), ChangesCluster: true,
		Expect: "the template before revision " + rev + ", if that one could be placed", Undo: "the same command again",
	}}
}

func unlabel(pairs string) string {
	var out []string
	for p := range strings.SplitSeq(pairs, ",") {
		k, _, _ := strings.Cut(p, "=")
		out = append(out, k+"-")
	}
	return strings.Join(out, " ")
}

// splitTaint reads "key=value:effect".
func splitTaint(s string) (key, effect string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, ""
	}
	key, _, _ = strings.Cut(s[:i], "=")
	return key, s[i+1:]
}

// hostOf is the node of a fact.
func hostOf(f window.Fact) (event.Key, bool) { return f.Ref(event.Host) }
