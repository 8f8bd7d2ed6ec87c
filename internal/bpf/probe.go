package bpf

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"

	"lodge/internal/procfs"
)

// Status is what a probe found.
type Status string

// The answers of a probe. Unknown is also the answer of a probe that was not
// permitted to look.
const (
	Yes     Status = "yes"
	No      Status = "no"
	Unknown Status = "unknown"
)

// Feature is one thing that the ebpf engine needs of this machine.
type Feature struct {
	// Name is lower_snake_case and stable.
	Name   string
	Status Status
	// Reason is one line: what was found, or why it could not be told.
	Reason string
}

// Probe asks this kernel for everything that the ebpf engine needs. It
// attaches nothing and leaves nothing behind.
func Probe() []Feature {
	mount, err := procfs.CgroupMount()
	out := []Feature{feature("cgroup2", "mounted at "+mount, err)}

	_, err = btf.LoadKernelSpec()
	out = append(out, feature("btf", "the kernel describes its own types", err))

	for _, m := range []struct {
		name string
		typ  ebpf.MapType
	}{
		{"map_ringbuf", ebpf.RingBuf},
		{"map_sk_storage", ebpf.SkStorage},
		{"map_hash_of_maps", ebpf.HashOfMaps},
	} {
		out = append(out, feature(m.name, "can be made", features.HaveMapType(m.typ)))
	}
	permitted := mayLoad()
	for _, p := range []struct {
		name   string
		typ    ebpf.ProgramType
		helper asm.BuiltinFunc
	}{
		{"prog_cgroup_sock_addr", ebpf.CGroupSockAddr, asm.FnSetRetval},
		{"prog_cgroup_sock", ebpf.CGroupSock, asm.FnSkStorageGet},
		{"prog_sock_ops", ebpf.SockOps, asm.FnSkStorageGet},
	} {
		err := permitted
		if err == nil {
			err = features.HaveProgramType(p.typ)
		}
		if err == nil {
			if err = features.HaveProgramHelper(p.typ, p.helper); err != nil {
				err = fmt.Errorf("helper %s: %w", p.helper, err)
			}
		}
		out = append(out, feature(p.name, "can be loaded", err))
	}
	return append(out, feature("prog_home", "the programs of a home load", tryLoad()))
}

// ProbeLive asks whether the live map of sockets works on this kernel. It
// attaches nothing and leaves nothing behind.
func ProbeLive() Feature {
	err := mayLoad()
	if err == nil {
		l := &Live{buf: make([]byte, scanSize)}
		err = errors.Join(l.load(), l.Close())
	}
	return feature("live_map", "its programs load", err)
}

// mayLoad reports whether this process may load programs at all, with one that
// every kernel takes. Without it cilium/ebpf takes a refusal for a lack.
func mayLoad() error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.CGroupSKB,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
		License:      "Dual MIT/GPL",
	})
	if err != nil {
		return err
	}
	return p.Close()
}

// tryLoad is the proof: the verifier takes the whole collection.
func tryLoad() error {
	var h Hooks
	if err := h.load(1, sockOpsMayAsk()); err != nil {
		return err
	}
	return h.Close()
}

// IsUnsupported reports whether an error says that this kernel cannot do something, and
// not that this process may not or that it failed.
func IsUnsupported(err error) bool {
	var verifier *ebpf.VerifierError
	return errors.As(err, &verifier) || errors.Is(err, ebpf.ErrNotSupported)
}

func feature(name, yes string, err error) Feature {
	var verifier *ebpf.VerifierError
	switch {
	case err == nil:
		return Feature{name, Yes, yes}
	case errors.As(err, &verifier):
		// It answers EACCES, which is no lack of permission.
		return Feature{name, No, oneLine(err)}
	case errors.Is(err, os.ErrPermission):
		return Feature{name, Unknown, "not permitted to look: needs root or the helper"}
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, procfs.ErrNoCgroup2):
		return Feature{name, No, oneLine(err)}
	default:
		return Feature{name, Unknown, oneLine(err)}
	}
}

// oneLine drops what the verifier says after its first line.
func oneLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

// ProbeTap asks whether taps of lo work on this kernel, with the sender of each
// packet. It attaches nothing and leaves nothing behind.
func ProbeTap() Feature {
	err := mayLoad()
	if err == nil {
		err = haveTCX()
	}
	if errors.Is(err, errNoTCX) {
		return Feature{"tap", No, errNoTCX.Error() + ": only root's taps, which do not know who sent a packet"}
	}
	if err == nil {
		t := &Taps{}
		err = errors.Join(t.load(true), t.Close())
	}
	return feature("tap", "its programs load, and lo can have them", err)
}
