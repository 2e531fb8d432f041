//go:build live

package e2e

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
)

// ours are the names of the BPF programs that a probe loads.
var ours = []string{"oom_kill", "oom_kill_by_pid", "kernel_kill"}

// programs lists the BPF programs of ours that the kernel still holds.
func programs(t *testing.T) []string {
	t.Helper()
	var out []string
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		info, err := p.Info()
		p.Close()
		if err == nil && slices.Contains(ours, info.Name) {
			out = append(out, "BPF program "+info.Name)
		}
	}
}
