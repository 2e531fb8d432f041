package host

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/yairfalse/tapio/observers"
	"golang.org/x/sys/unix"
)

// TryTracepoint loads a program of two instructions for tp_btf/NAME. A nil
// error means that kernel and privileges allow such programs; else it is an
// *observers.Unsupported. Nothing stays loaded.
func (h *Host) TryTracepoint(name string) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "tapio_trial",
		Type:         ebpf.Tracing,
		AttachType:   ebpf.AttachTraceRawTp,
		AttachTo:     name,
		License:      "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return Refused(observers.Need{Type: observers.Hook, Name: "tp_btf/" + name}, err)
	}
	return prog.Close()
}

// Refused turns the error of a kernel that did not take a program or map into
// the reason a user can act on. It matches observers.ErrUnsupported.
func Refused(need observers.Need, err error) *observers.Unsupported {
	var known *observers.Unsupported
	if errors.As(err, &known) {
		return known
	}
	var verifier *ebpf.VerifierError
	why := err.Error()
	switch {
	case errors.Is(err, btf.ErrNotFound):
		why = "this kernel has no such tracepoint"
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EPERM):
		why = "the kernel did not permit it: the probe needs the capabilities BPF and PERFMON (or SYS_ADMIN), and lockdown or a security policy may forbid it"
	case errors.Is(err, ebpf.ErrNotSupported):
		why = "this kernel does not have it"
	case errors.Is(err, os.ErrNotExist):
		why = "this kernel does not describe its types: it needs CONFIG_DEBUG_INFO_BTF"
	case errors.As(err, &verifier):
		why = fmt.Sprintf("the kernel's verifier refused the program: %v", verifier.Cause)
	}
	return &observers.Unsupported{Need: need, Why: why}
}
