package diag

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Operations of the kernel's socket filter (linux/inet_diag.h,
// INET_DIAG_BC_*). It is run over each socket of a dump
// (net/ipv4/inet_diag.c, inet_diag_bc_run): each operation jumps yes or no
// bytes forward. A socket whose run stops exactly at the end is in the answer, one
// that jumps beyond it is not.
const (
	opJump       = 1 // INET_DIAG_BC_JMP
	OpLocal      = 7 // INET_DIAG_BC_S_COND
	OpRemote     = 8 // INET_DIAG_BC_D_COND
	opLen        = 4 // struct inet_diag_bc_op
	hostCondLen  = 8 // struct inet_diag_hostcond without its address
	bytecodeMost = 60 << 10
)

// Condition is that one end of a socket has a port, or an address in a prefix.
type Condition struct {
	Op     byte
	Port   int32        // -1 is any
	Prefix netip.Prefix // the zero Prefix is any
}

func (c Condition) len() int {
	switch {
	case !c.Prefix.IsValid():
		return opLen + hostCondLen
	case c.Prefix.Addr().Is4():
		return opLen + hostCondLen + 4
	}
	return opLen + hostCondLen + 16
}

// Compile writes the filter that takes a socket if in each group one
// condition holds. nil is no filter: everything is taken, also if it would be
// too long.
func Compile(groups ...[]Condition) []byte {
	groups = slices.DeleteFunc(groups, func(g []Condition) bool { return len(g) == 0 })
	total := 0
	for _, g := range groups {
		for _, c := range g {
			total += c.len() + opLen
		}
		total -= opLen
	}
	if total == 0 || total > bytecodeMost {
		return nil
	}
	out := make([]byte, 0, total)
	op := func(code byte, yes, no int) {
		out = binary.NativeEndian.AppendUint16(append(out, code, byte(yes)), uint16(no))
	}
	for _, g := range groups {
		end := len(out) - opLen
		for _, c := range g {
			end += c.len() + opLen
		}
		for i, c := range g {
			last := i == len(g)-1
			if last {
				op(c.Op, c.len(), total-len(out)+opLen) // beyond the end
			} else {
				op(c.Op, c.len(), c.len()+opLen) // over the jump
			}
			out = c.append(out)
			if !last {
				op(opJump, opLen, end-len(out))
			}
		}
	}
	return out
}

// append writes the struct inet_diag_hostcond.
func (c Condition) append(out []byte) []byte {
	family, bits := byte(unix.AF_UNSPEC), byte(0)
	if c.Prefix.IsValid() {
		family, bits = unix.AF_INET6, byte(c.Prefix.Bits())
		if c.Prefix.Addr().Is4() {
			family = unix.AF_INET
		}
	}
	out = append(out, family, bits, 0, 0)
	out = binary.NativeEndian.AppendUint32(out, uint32(c.Port))
	if !c.Prefix.IsValid() {
		return out
	}
	return append(out, c.Prefix.Addr().AsSlice()...)
}

// Either returns the conditions that one of both ends is so.
func Either(port int32, prefix netip.Prefix) []Condition {
	return []Condition{{OpLocal, port, prefix}, {OpRemote, port, prefix}}
}
