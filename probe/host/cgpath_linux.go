package host

import (
	"slices"
	"strings"
)

// Lengths of the ids that cgroup names carry.
const (
	uuidLen        = 36 // metadata.uid
	staticUIDLen   = 32 // uid of a static pod: an MD5 sum
	containerIDLen = 64 // containerd, CRI-O, Docker
)

// ParseCgroup finds pod and container in the path of a cgroup. Both forms of
// the kubelet are read, ".../pod<uid>/<id>" of the cgroupfs driver and
// "...-pod<uid>.slice/<prefix>-<id>.scope" of the systemd driver, wherever in
// the path they stand: nodes inside containers put elements before them,
// containers with cgroups of their own put elements behind. The outermost pod
// counts. containerID is empty for a pod's own cgroup and for helpers beside
// its containers; ok is false when the path belongs to no pod.
func ParseCgroup(path string) (podUID, containerID string, ok bool) {
	for elem := range elements(path) {
		if !ok {
			podUID, ok = podElement(elem)
			continue
		}
		if id, found := containerElement(elem); found {
			return podUID, id, true
		}
	}
	return podUID, "", ok
}

// elements yields the parts of a path between slashes. Runtimes that expect
// the systemd driver but meet cgroupfs write "slice:prefix:id" as one element;
// its parts are yielded one by one.
func elements(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for elem := range strings.SplitSeq(path, "/") {
			if !strings.Contains(elem, ":") {
				if !yield(elem) {
					return
				}
				continue
			}
			for part := range strings.SplitSeq(elem, ":") {
				if !yield(part) {
					return
				}
			}
		}
	}
}

// podElement reads "pod<uid>" or "<anything>-pod<uid>.slice", where systemd
// names have underscores for the dashes of the uid.
func podElement(elem string) (uid string, ok bool) {
	if name, slice := strings.CutSuffix(elem, ".slice"); slice {
		i := strings.LastIndex(name, "pod")
		if i < 0 || i > 0 && name[i-1] != '-' {
			return "", false
		}
		uid = strings.ReplaceAll(name[i+len("pod"):], "_", "-")
	} else if uid, ok = strings.CutPrefix(elem, "pod"); !ok {
		return "", false
	}
	if !validUID(uid) {
		return "", false
	}
	return uid, true
}

// containerElement reads "<id>" or "<prefix>-<id>.scope". CRI-O's monitor has
// a scope with the container's id beside the container: not the container.
func containerElement(elem string) (id string, ok bool) {
	name := strings.TrimSuffix(elem, ".scope")
	if len(name) < containerIDLen || strings.HasPrefix(name, "crio-conmon-") {
		return "", false
	}
	id = name[len(name)-containerIDLen:]
	prefix := name[:len(name)-containerIDLen]
	return id, isHex(id) && (prefix == "" || strings.HasSuffix(prefix, "-"))
}

// validUID accepts a UUID or the hash of a static pod.
func validUID(s string) bool {
	switch len(s) {
	case staticUIDLen:
		return isHex(s)
	case uuidLen:
		return s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
			isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
	}
	return false
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// podsRoot cuts pod and QoS class off the path of a pod's cgroup and returns
// what is left: the cgroup the kubelet keeps its pods in.
func podsRoot(path string) (root string, ok bool) {
	var kept []string
	for elem := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if _, pod := podElement(elem); pod {
			if n := len(kept); n > 0 && isQoS(kept[n-1]) {
				kept = kept[:n-1]
			}
			return "/" + strings.Join(kept, "/"), true
		}
		kept = append(kept, elem)
	}
	return "", false
}

// isQoS tells a QoS class's cgroup, "burstable" or "...-burstable.slice".
func isQoS(elem string) bool {
	name, slice := strings.CutSuffix(elem, ".slice")
	for _, class := range [...]string{"burstable", "besteffort"} {
		if name == class && !slice || slice && strings.HasSuffix(name, "-"+class) {
			return true
		}
	}
	return false
}

// isPodsRoot tells "kubepods", "kubepods.slice" and "<prefix>-kubepods.slice".
func isPodsRoot(elem string) bool {
	name, slice := strings.CutSuffix(elem, ".slice")
	return name == "kubepods" || slice && strings.HasSuffix(name, "-kubepods")
}

// JoinCgroup makes the path of a cgroup from the names of it and of those above
// it, innermost first. cut says that the names end below the root. What is not
// UTF-8 is replaced.
func JoinCgroup(names []string, cut bool) string {
	var b strings.Builder
	if cut {
		b.WriteString("/...")
	}
	for _, name := range slices.Backward(names) {
		if name = strings.Trim(name, "/"); name != "" {
			b.WriteByte('/')
			b.WriteString(strings.ToValidUTF8(name, "\uFFFD"))
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
