package seccomphome

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h), on a little-endian
// machine.
const (
	dataNumber   = 0
	dataArch     = 4
	dataArg4Low  = 16 + 4*8
	dataArg4High = dataArg4Low + 4
)

// x32Bit marks the system call numbers of the x32 ABI, which share the
// architecture number of amd64.
const x32Bit = 0x40000000

// The labels that a filter's jumps lead to.
const (
	next = iota
	toAllow
	toNotify
	toNoSys
	toAddress
)

type jump struct {
	code       uint16
	k          uint32
	then, also int // labels: jump taken, not taken
}

// notified lists the calls that always go to the supervisor.
func notified() []uint32 {
	return []uint32{unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_LISTEN, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME}
}

// filter gives the program for the architecture that this was built for. The
// calls that it lets through whatever their arguments are are cached by the
// kernel and cost nothing.
func filter() ([]unix.SockFilter, error) {
	load := func(at uint32) jump { return jump{code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, k: at} }
	equal := func(k uint32, then, also int) jump {
		return jump{code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, k: k, then: then, also: also}
	}
	code := []jump{load(dataArch), equal(auditArch, next, toAllow), load(dataNumber)}
	if hasX32 {
		code = append(code, jump{code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, k: x32Bit, then: toNoSys})
	}
	for _, n := range notified() {
		code = append(code, equal(n, toNotify, next))
	}
	code = append(code,
		equal(unix.SYS_IO_URING_SETUP, toNoSys, next),
		equal(unix.SYS_SENDTO, toAddress, toAllow))
	at := map[int]int{toAddress: len(code)}
	code = append(code,
		load(dataArg4Low), equal(0, next, toNotify),
		load(dataArg4High), equal(0, toAllow, toNotify))
	ret := func(k uint32) jump { return jump{code: unix.BPF_RET | unix.BPF_K, k: k} }
	at[toNotify] = len(code)
	code = append(code, ret(unix.SECCOMP_RET_USER_NOTIF))
	at[toNoSys] = len(code)
	code = append(code, ret(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
	at[toAllow] = len(code)
	code = append(code, ret(unix.SECCOMP_RET_ALLOW))

	out := make([]unix.SockFilter, len(code))
	for i, j := range code {
		distance := func(label int) (uint8, error) {
			if label == next {
				return 0, nil
			}
			d := at[label] - i - 1
			if d < 0 || d > 255 {
				return 0, fmt.Errorf("assemble filter: jump of %d at %d", d, i)
			}
			return uint8(d), nil
		}
		jt, err := distance(j.then)
		if err != nil {
			return nil, err
		}
		jf, err := distance(j.also)
		if err != nil {
			return nil, err
		}
		out[i] = unix.SockFilter{Code: j.code, Jt: jt, Jf: jf, K: j.k}
	}
	return out, nil
}
