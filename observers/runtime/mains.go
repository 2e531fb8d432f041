package runtime

import "strings"

// Mains knows the first process of each container, by the id of its cgroup: in
// a pod whose containers share a pid namespace its number there does not tell.
type Mains struct {
	of map[uint64]int64
}

// Seed tells the first process of a container that runs already.
func (m *Mains) Seed(cgroup uint64, pid int64) {
	if m.of == nil {
		m.of = map[uint64]int64{}
	}
	if _, known := m.of[cgroup]; !known && pid > 0 {
		m.of[cgroup] = pid
	}
}

// Started notes that a program was started in a container from outside, and
// tells whether it is the container's own: the first of all.
func (m *Mains) Started(cgroup uint64, pid int64) bool {
	m.Seed(cgroup, pid)
	return m.Is(cgroup, pid)
}

// Is tells whether the process is the first of its container.
func (m *Mains) Is(cgroup uint64, pid int64) bool { return pid > 0 && m.of[cgroup] == pid }

// Keep forgets the containers that are not among these.
func (m *Mains) Keep(cgroups map[uint64]bool) {
	for id := range m.of {
		if !cgroups[id] {
			delete(m.of, id)
		}
	}
}

// IsRuntime tells whether a process is the container runtime on its way into a
// container: it has joined the cgroup and has not yet started the container's
// program. program is "" when not known.
func IsRuntime(comm, program string) bool {
	return strings.HasPrefix(comm, "runc") || strings.HasPrefix(comm, "crun") || strings.HasPrefix(comm, "youki") ||
		program == "/proc/self/exe" || strings.HasPrefix(program, "/proc/self/fd/")
}

// clean makes a name that a program gave itself fit for events.
func clean(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
