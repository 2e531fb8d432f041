package storage

import (
	"fmt"
	"path"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/storage"
)

// evalMountFailed proposes MountFailed for placed pods that still wait for a
// volume. A ConfigMap or Secret that is not there is a cause of its own, and so
// is a volume that another node has.
func evalMountFailed(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	newest := map[string]window.Fact{}
	var ids []string
	for _, f := range w.Of(storage.Mount) {
		id := f.Subject().ID + " " + storage.Volume.Or(f.Event, "")
		if _, ok := newest[id]; !ok {
			ids = append(ids, id)
		}
		newest[id] = f
	}
	for _, id := range ids {
		f := newest[id]
		pod := f.Subject()
		trouble, source := storage.Trouble.Or(f.Event, ""), storage.Source.Or(f.Event, "")
		config := source == "configMap" || source == "secret" || source == "projected"
		if started(w, pod) || trouble == storage.MultiAttach || config && (trouble == storage.NotFound || trouble == storage.NoKey) {
			continue
		}
		e := claims.Mount(f)
		weight := finding.KubeletMounts
		if trouble == storage.TimedOut || trouble == storage.Other {
			weight = finding.KubeletTimesOut
		}
		n := w.Graph.Name(pod)
		h := finding.Hypothesis{
			Cause: MountFailed, Entity: pod, Since: f.At, State: finding.Failing,
			Headline: fmt.Sprintf("%s cannot start: volume %s cannot be mounted, %s", n.Name, named(f), claims.MountTrouble(trouble)),
			Now:      "its containers wait for the volume",
			For:      []finding.Support{{Evidence: e, Weight: weight}},
			Chain:    []finding.Link{{From: pod, To: pod, Mechanism: finding.Fails, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}},
			RuledOut: []finding.Rival{{Cause: "image/not-found", Why: "the image is not pulled before the volumes are there", Evidence: []finding.Evidence{e}}},
			Advice:   []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s describe pod %s", n.Namespace, n.Name), Expect: "the kubelet's own message in full"}},
		}
		if d, ok := f.Ref(event.Device); ok {
			h.Affected = append(h.Affected, d)
		}
		out = append(out, h)
	}
	return out
}

func named(f window.Fact) string {
	name, object := storage.Volume.Or(f.Event, "?"), storage.Object.Or(f.Event, "")
	if object == "" {
		return name
	}
	return fmt.Sprintf("%s (%s %s)", name, storage.Source.Or(f.Event, ""), object)
}

// started tells whether some container of the pod has run, so that its volumes
// are there.
func started(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(lifecycle.Pod, pod)
	return ok && lifecycle.Phase.Or(f.Event, "Pending") != "Pending"
}

func evalMultiAttach(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range w.Of(storage.Held) {
		pod, ok := f.Ref(event.Peer)
		if !ok || started(w, pod) {
			continue
		}
		if last, ok := w.Last(lifecycle.Pod, pod); ok && lifecycle.Gone.Or(last.Event, false) {
			continue
		}
		e := claims.Held(f)
		node, _ := f.Ref(event.Host)
		holder := storage.HolderPod.Or(f.Event, "")
		weight := finding.HeldElsewhere
		if storage.By.Or(f.Event, "") == storage.Exclusive {
			weight = finding.HeldBySpec
		}
		h := finding.Hypothesis{
			Cause: MultiAttach, Entity: pod, Since: f.At, State: finding.Failing,
			Now: "it waits for the volume", For: []finding.Support{{Evidence: e, Weight: weight}},
			Chain: []finding.Link{{From: f.Subject(), To: pod, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}},
		}
		who := node.ID
		if holder != "" {
			who = after(holder) + " on " + node.ID
		}
		h.Headline = fmt.Sprintf("%s waits for claim %s, which %s still has", w.Graph.Label(pod), f.Subject().Leaf(), who)
		h.Affected = []event.Key{f.Subject()}
		if c, ok := f.Ref(event.Culprit); ok {
			h.Affected = append(h.Affected, c)
			h.Chain[0].From = c
		}
		if holder != "" {
			h.Advice = append(h.Advice, finding.Advice{Command: fmt.Sprintf("kubectl -n %s get pod %s -o wide", before(holder), after(holder)), Expect: "whether it should still run; with strategy Recreate the old pod goes first"})
		} else {
			h.Advice = append(h.Advice, finding.Advice{Command: "kubectl get volumeattachments", Expect: "since when the volume is attached to " + node.ID})
		}
		out = append(out, h)
	}
	return out
}

// complaint is a container's own word on a path, with the mount that it lies
// on.
type complaint struct {
	fact  window.Fact
	path  string
	mount window.Fact
	root  bool // the path lies outside all volumes
	loose bool // the path is relative; the only volume for data is taken for its place
}

// place finds the mount that the path lies on: the longest that leads to it. A
// relative path begins at a working directory that nobody told; programs work
// in the directory of their data, so the only volume that the spec lets them
// write is taken for it.
func (c *complaint) place(mounts []window.Fact) bool {
	if c.path == "" {
		return false
	}
	if !strings.HasPrefix(c.path, "/") {
		n := 0
		for _, a := range mounts {
			if storage.Volume.Or(a.Event, "") != "" && !storage.ReadOnly.Or(a.Event, false) {
				c.mount, n = a, n+1
			}
		}
		c.loose = true
		return n == 1
	}
	longest, p := -1, path.Clean(c.path)
	for _, a := range mounts {
		at := path.Clean(storage.Path.Or(a.Event, ""))
		if (at == "/" || p == at || strings.HasPrefix(p, at+"/")) && len(at) > longest {
			longest, c.mount, c.root = len(at), a, at == "/"
		}
	}
	return longest >= 0
}

// lies says how the path is related to the mount.
func (c complaint) lies() string {
	if c.loose {
		return "most likely on"
	}
	return "which lies on"
}

// complaints lists what containers say of paths, of one sort, the newest of
// each container and path.
func complaints(w *window.Window, what string) []complaint {
	var out []complaint
	for _, f := range w.Of(logs.Trouble) {
		p := logs.Target.Or(f.Event, "")
		if logs.What.Or(f.Event, "") != what || !current(w, f) {
			continue
		}
		c := complaint{fact: f, path: p}
		if !c.place(w.About(storage.Access, f.Subject())) {
			continue
		}
		i := 0
		for i < len(out) && !(out[i].fact.Subject() == f.Subject() && out[i].root == c.root) {
			i++
		}
		if i < len(out) {
			out[i] = c
			continue
		}
		out = append(out, c)
	}
	return out
}

// current tells whether the container that complained is still in trouble.
func current(w *window.Window, f window.Fact) bool {
	c, ok := w.Last(lifecycle.Container, f.Subject())
	if !ok {
		return false
	}
	return lifecycle.State.Or(c.Event, "") != lifecycle.Running || !lifecycle.Ready.Or(c.Event, false) || lifecycle.Restarts.Or(c.Event, 0) > 0
}

func ofPath(w *window.Window, c complaint, cause finding.Cause, says string, fits bool) finding.Hypothesis {
	own, mount := claims.Trouble(c.fact), claims.Access(c.mount)
	pod, _ := w.Graph.PodOf(c.fact.Subject())
	h := finding.Hypothesis{
		Cause: cause, Entity: c.fact.Subject(), Since: c.fact.At, State: finding.Failing,
		For: []finding.Support{{Evidence: own, Weight: finding.PathDenied}},
	}
	weight := finding.MountSilent
	if fits {
		weight = finding.MountExplains
	}
	h.For = append(h.For, finding.Support{Evidence: mount, Weight: weight})
	h.Chain = []finding.Link{
		{From: pod, To: h.Entity, Mechanism: finding.Blocks, At: mount.At, Trust: finding.API, Sentence: mount.Claim, Evidence: []finding.Evidence{mount}},
		{From: h.Entity, To: h.Entity, Mechanism: finding.Fails, At: own.At, Trust: finding.API, Sentence: own.Claim, Evidence: []finding.Evidence{own}},
	}
	n := w.Graph.Name(h.Entity)
	h.Headline = fmt.Sprintf("%s: container %s %s", n.Name, n.Container, says)
	if d, ok := c.mount.Ref(event.Device); ok {
		h.Affected = append(h.Affected, d)
	}
	if wl, ok := w.Graph.WorkloadOf(pod); ok {
		h.Affected = append(h.Affected, wl)
	}
	if f, ok := w.Last(lifecycle.Container, h.Entity); ok {
		h.Now = claims.State(f).Claim
	}
	return h
}

// where names the volume of a complaint: "volume data, mounted at /data".
func where(c complaint) string {
	return fmt.Sprintf("volume %s, mounted at %s", storage.Volume.Or(c.mount.Event, ""), storage.Path.Or(c.mount.Event, ""))
}

func evalPermission(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range complaints(w, logs.DeniedFile) {
		if c.root || storage.ReadOnly.Or(c.mount.Event, false) {
			continue
		}
		_, group := storage.Group.Get(c.mount.Event)
		user, known := storage.User.Get(c.mount.Event)
		nonRoot := known && user != 0 || storage.NonRoot.Or(c.mount.Event, false)
		says := fmt.Sprintf("may not use %s, %s %s", c.path, c.lies(), where(c))
		if known {
			says = fmt.Sprintf("runs as user %d and may not use %s, %s %s", user, c.path, c.lies(), where(c))
		}
		if !group {
			says += "; the pod has no fsGroup"
		}
		h := ofPath(w, c, Permission, says, !group)
		if nonRoot && !group {
			h.For = append(h.For, finding.Support{Evidence: claims.Access(c.mount), Weight: finding.MountSilent})
		}
		h.RuledOut = []finding.Rival{
			{Cause: ReadOnlyRoot, Why: "the path lies on a volume, and the answer was EACCES, not EROFS", Evidence: []finding.Evidence{claims.Access(c.mount)}},
			{Cause: DiskFull, Why: "the answer was EACCES, not ENOSPC", Evidence: []finding.Evidence{claims.Trouble(c.fact)}},
		}
		h.Absent = []finding.Absent{{What: "owner and mode of " + c.path, Why: "the API does not tell them"}}
		pod, _ := w.Graph.PodOf(h.Entity)
		if wl, ok := w.Graph.WorkloadOf(pod); ok && !group {
			n := w.Graph.Name(wl)
			if known {
				h.Advice = append(h.Advice, finding.Advice{
					Command: fmt.Sprintf(`kubectl -n %s patch %s %s -p '{"spec":{"template":{"spec":{"securityContext":{"fsGroup":%d}}}}}'`, n.Namespace, strings.ToLower(n.Kind), n.Name, user), ChangesCluster: true,
					Expect: "the kubelet makes the volume the group's, where its driver can", Undo: fmt.Sprintf("kubectl -n %s rollout undo %s/%s", n.Namespace, strings.ToLower(n.Kind), n.Name),
				})
			}
		}
		n := w.Graph.Name(h.Entity)
		h.Advice = append(h.Advice, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s debug pod/%s -it --image=busybox --target=%s -- ls -ldn /proc/1/root%s", n.Namespace, n.Name, n.Container, storage.Path.Or(c.mount.Event, "")), Expect: "owner and mode of the path",
		})
		out = append(out, h)
	}
	return out
}

func evalReadOnlyRoot(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range complaints(w, logs.ReadOnlyFile) {
		if !c.root {
			continue
		}
		h := ofPath(w, c, ReadOnlyRoot, fmt.Sprintf("writes to %s, which lies on its root file system, and that is read-only", c.path), storage.ReadOnly.Or(c.mount.Event, false))
		h.RuledOut = []finding.Rival{{Cause: Permission, Why: "the answer was EROFS, not EACCES", Evidence: []finding.Evidence{claims.Trouble(c.fact)}}}
		n := w.Graph.Name(h.Entity)
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='{.spec.containers[*].securityContext}'", n.Namespace, n.Name), Expect: "readOnlyRootFilesystem; mount an emptyDir at " + path.Dir(c.path),
		}}
		out = append(out, h)
	}
	return out
}

func evalReadOnly(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range complaints(w, logs.ReadOnlyFile) {
		if c.root {
			continue
		}
		h := ofPath(w, c, ReadOnly, fmt.Sprintf("writes to %s, %s %s, and that is read-only", c.path, c.lies(), where(c)), storage.ReadOnly.Or(c.mount.Event, false))
		h.RuledOut = []finding.Rival{{Cause: ReadOnlyRoot, Why: "the path lies on a volume", Evidence: []finding.Evidence{claims.Access(c.mount)}}}
		n := w.Graph.Name(h.Entity)
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get pod %s -o yaml", n.Namespace, n.Name), Expect: "readOnly of the mount and of its volume"}}
		out = append(out, h)
	}
	return out
}

func evalDiskFull(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range complaints(w, logs.NoSpace) {
		place := where(c)
		if c.root {
			place = "its root file system"
		}
		h := ofPath(w, c, DiskFull, fmt.Sprintf("finds no space left for %s, %s %s", c.path, c.lies(), place), !c.root)
		h.RuledOut = []finding.Rival{{Cause: Permission, Why: "the answer was ENOSPC, not EACCES", Evidence: []finding.Evidence{claims.Trouble(c.fact)}}}
		h.Absent = []finding.Absent{{What: "how full the volume is", Why: "the API does not tell it"}}
		n := w.Graph.Name(h.Entity)
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s exec %s -c %s -- df -h %s", n.Namespace, n.Name, n.Container, path.Dir(c.path)), Expect: "how full it is, and with -i how many inodes are left"}}
		out = append(out, h)
	}
	return out
}

func evalEvicted(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range w.Of(storage.Evicted) {
		pod := f.Subject()
		if f.At.Before(w.From) {
			continue
		}
		if wl, ok := w.Graph.WorkloadOf(pod); ok {
			if g := w.Graph.Workload(wl); g.Known && g.Available >= g.Desired {
				continue // replaced since
			}
		}
		e := claims.StorageEviction(f)
		n := w.Graph.Name(pod)
		h := finding.Hypothesis{
			Cause: Evicted, Entity: pod, Since: f.At, State: finding.Failing, Headline: n.Name + " was " + e.Claim,
			Now: "gone for " + words.Span(w.To.Sub(f.At)), For: []finding.Support{{Evidence: e, Weight: finding.EvictedForDisk}},
			Chain:    []finding.Link{{From: pod, To: pod, Mechanism: finding.Kills, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}},
			RuledOut: []finding.Rival{{Cause: "memory/evicted", Why: "the kubelet names local storage, not memory", Evidence: []finding.Evidence{e}}},
			Advice:   []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='{.status.message}'", n.Namespace, n.Name), Expect: "the kubelet's own message; a limit may be too small, or logs and files too many"}},
		}
		if host, ok := f.Ref(event.Host); ok && storage.Of.Or(f.Event, "") == storage.OfNode {
			h.Chain[0].From = host
			h.Affected = append(h.Affected, host)
		}
		out = append(out, h)
	}
	return out
}
