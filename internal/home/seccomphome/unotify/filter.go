package unotify

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h), on a little-endian
// machine.
const (
	dataNumber   = 0
	dataArch     = 4
	dataArg0Low  = 16
	dataArg1Low  = 16 + 1*8
	dataArg2Low  = 16 + 2*8
	dataArg3Low  = 16 + 3*8
	dataArg4Low  = 16 + 4*8
	dataArg4High = dataArg4Low + 4
)

// x32Bit marks the system call numbers of the x32 ABI, which share the
// architecture number of amd64.
const x32Bit = 0x40000000

// calls are the numbers of the calls that a home is about, for one
// architecture. socketcall is 0 where there is none.
type calls struct {
	socket, bind, connect, listen, getsockname, getpeername uint32
	sendto, sendmsg, sendmmsg, ioUringSetup, socketcall     uint32
}

// native returns the numbers of the architecture that this was built for.
func native() calls {
	return calls{
		socket: unix.SYS_SOCKET, bind: unix.SYS_BIND, connect: unix.SYS_CONNECT, listen: unix.SYS_LISTEN,
		getsockname: unix.SYS_GETSOCKNAME, getpeername: unix.SYS_GETPEERNAME,
		sendto: unix.SYS_SENDTO, sendmsg: unix.SYS_SENDMSG, sendmmsg: unix.SYS_SENDMMSG,
		ioUringSetup: unix.SYS_IO_URING_SETUP,
	}
}

// The labels that a filter's jumps lead to.
const (
	next = iota
	toCompat
	toSendto
	toSendmsg
	toSendmmsg
	toSocket
	toProtocol
	toSocketcall
	toAllow
	toNotify
	toNoSys
	toNoFamily
	toNoProtocol
)

// assembler builds a filter whose jumps lead forward to labels.
type assembler struct {
	code []jump
	at   map[int]int
}

type jump struct {
	code       uint16
	k          uint32
	then, also int // labels: jump taken, not taken
}

func (a *assembler) label(l int) { a.at[l] = len(a.code) }
func (a *assembler) load(at uint32) {
	a.code = append(a.code, jump{code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, k: at})
}
func (a *assembler) ret(k uint32) {
	a.code = append(a.code, jump{code: unix.BPF_RET | unix.BPF_K, k: k})
}
func (a *assembler) test(op uint16, k uint32, then, also int) {
	a.code = append(a.code, jump{code: unix.BPF_JMP | op | unix.BPF_K, k: k, then: then, also: also})
}

// anyOf jumps where the value is one of those, and goes to also where not.
func (a *assembler) anyOf(then, also int, values ...uint32) {
	for i, k := range values {
		where := next
		if i == len(values)-1 {
			where = also
		}
		a.test(unix.BPF_JEQ, k, then, where)
	}
}

// Filter returns the program for the architecture that this was built for,
// and for its 32-bit one. The calls that it lets through whatever their
// arguments are are cached by the kernel and cost nothing.
//
// A filter cannot see whether a message has an address. In a strict home all
// of sendmsg goes to the supervisor, in another one only TCP Fast Open.
func Filter(strict bool) ([]unix.SockFilter, error) {
	a := &assembler{at: make(map[int]int)}
	a.load(dataArch)
	if compatArch == 0 {
		a.test(unix.BPF_JEQ, auditArch, next, toAllow)
	} else {
		a.test(unix.BPF_JEQ, auditArch, next, toCompat)
	}
	a.load(dataNumber)
	if hasX32 {
		a.test(unix.BPF_JGE, x32Bit, toNoSys, next)
	}
	a.dispatch(native(), strict)
	if compatArch != 0 {
		a.label(toCompat)
		a.test(unix.BPF_JEQ, compatArch, next, toAllow)
		a.load(dataNumber)
		a.dispatch(compat(), strict)
	}
	a.shared(strict)
	return a.assemble()
}

// dispatch chooses by the call's number, which is loaded.
func (a *assembler) dispatch(c calls, strict bool) {
	a.anyOf(toNotify, next, c.bind, c.connect, c.listen, c.getsockname, c.getpeername)
	a.anyOf(toNoSys, next, c.ioUringSetup)
	if strict {
		a.anyOf(toNotify, next, c.sendmsg, c.sendmmsg)
		a.anyOf(toSocket, next, c.socket)
	} else {
		a.anyOf(toSendmsg, next, c.sendmsg)
		a.anyOf(toSendmmsg, next, c.sendmmsg)
	}
	if c.socketcall != 0 {
		a.anyOf(toSocketcall, next, c.socketcall)
	}
	a.anyOf(toSendto, toAllow, c.sendto)
}

// shared is what both architectures' calls lead to.
func (a *assembler) shared(strict bool) {
	a.label(toSendto)
	a.load(dataArg4Low)
	a.test(unix.BPF_JEQ, 0, next, toNotify)
	a.load(dataArg4High)
	a.test(unix.BPF_JEQ, 0, toAllow, toNotify)
	if strict {
		a.label(toSocket)
		a.load(dataArg0Low)
		a.anyOf(toNoFamily, next, foreignFamilies()...)
		a.anyOf(toProtocol, toAllow, unix.AF_INET, unix.AF_INET6)
		a.label(toProtocol)
		a.load(dataArg2Low)
		a.anyOf(toNoProtocol, next, foreignProtocols()...)
		a.load(dataArg1Low)
		a.code = append(a.code, jump{code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, k: socketTypeMask})
		a.anyOf(toNoProtocol, toAllow, unix.SOCK_SEQPACKET, unix.SOCK_DCCP)
	} else {
		a.label(toSendmsg)
		a.load(dataArg2Low)
		a.test(unix.BPF_JSET, unix.MSG_FASTOPEN, toNotify, toAllow)
		a.label(toSendmmsg)
		a.load(dataArg3Low)
		a.test(unix.BPF_JSET, unix.MSG_FASTOPEN, toNotify, toAllow)
	}
	a.label(toSocketcall)
	a.load(dataArg0Low)
	a.anyOf(toNotify, toAllow, socketcalls(strict)...)
	a.label(toNotify)
	a.ret(unix.SECCOMP_RET_USER_NOTIF)
	a.label(toNoSys)
	a.ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	a.label(toNoFamily)
	a.ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT))
	a.label(toNoProtocol)
	a.ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPROTONOSUPPORT))
	a.label(toAllow)
	a.ret(unix.SECCOMP_RET_ALLOW)
}

func (a *assembler) assemble() ([]unix.SockFilter, error) {
	out := make([]unix.SockFilter, len(a.code))
	for i, j := range a.code {
		distance := func(label int) (uint8, error) {
			if label == next {
				return 0, nil
			}
			d := a.at[label] - i - 1
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

// socketTypeMask leaves the type of socket(2) without its flags (SOCK_TYPE_MASK
// in include/linux/net.h).
const socketTypeMask = 0xf

// ipprotoSMC is IPPROTO_SMC (Linux 6.11), which unix does not name yet.
const ipprotoSMC = 256

// foreignFamilies lists the address families that lead to IP addresses by
// other calls or other sockets than those that are looked at. A strict home
// does without them.
func foreignFamilies() []uint32 {
	return []uint32{unix.AF_SMC, unix.AF_RDS, unix.AF_RXRPC}
}

// foreignProtocols are the same of IPv4 and IPv6: SCTP connects by setsockopt
// and by sendmsg, too.
func foreignProtocols() []uint32 {
	return []uint32{unix.IPPROTO_SCTP, unix.IPPROTO_DCCP, ipprotoSMC}
}
