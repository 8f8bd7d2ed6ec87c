package unotify

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// run is what the kernel does with a filter, as far as ours go.
func run(t *testing.T, code []unix.SockFilter, data []byte) uint32 {
	t.Helper()
	var acc uint32
	for pc := 0; pc < len(code); pc++ {
		i := code[pc]
		taken := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.NativeEndian.Uint32(data[i.K:])
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			taken = acc == i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			taken = acc >= i.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			taken = acc&i.K != 0
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= i.K
			continue
		default:
			t.Fatalf("instruction %#x at %d", i.Code, pc)
		}
		if taken {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	t.Fatal("the filter ends without an answer")
	return 0
}

// The answers of a filter, in tests.
const (
	allows     = unix.SECCOMP_RET_ALLOW
	notifies   = unix.SECCOMP_RET_USER_NOTIF
	noSys      = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	noFamily   = unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)
	noProtocol = unix.SECCOMP_RET_ERRNO | uint32(unix.EPROTONOSUPPORT)
)

type filterCase struct {
	name            string
	arch, nr        uint32
	args            []uint64
	overlay, strict uint32
}

// filterCases are those of one architecture.
func filterCases(arch uint32, c calls) []filterCase {
	const datagram = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC
	out := []filterCase{
		{"bind", arch, c.bind, nil, notifies, notifies},
		{"connect", arch, c.connect, nil, notifies, notifies},
		{"listen", arch, c.listen, nil, notifies, notifies},
		{"getsockname", arch, c.getsockname, nil, notifies, notifies},
		{"getpeername", arch, c.getpeername, nil, notifies, notifies},
		{"sendto without an address", arch, c.sendto, []uint64{9, 9, 9, 9, 0}, allows, allows},
		{"sendto with an address", arch, c.sendto, []uint64{0, 0, 0, 0, 0x1000}, notifies, notifies},
		{"sendto with an address of only high bits", arch, c.sendto, []uint64{0, 0, 0, 0, 1 << 40}, notifies, notifies},
		{"sendmsg", arch, c.sendmsg, []uint64{3, 0x1000, unix.MSG_NOSIGNAL, unix.MSG_FASTOPEN}, allows, notifies},
		{"sendmsg, Fast Open", arch, c.sendmsg, []uint64{3, 0x1000, unix.MSG_NOSIGNAL | unix.MSG_FASTOPEN}, notifies, notifies},
		{"sendmmsg", arch, c.sendmmsg, []uint64{3, 0x1000, unix.MSG_FASTOPEN, unix.MSG_NOSIGNAL}, allows, notifies},
		{"sendmmsg, Fast Open", arch, c.sendmmsg, []uint64{3, 0x1000, 1, unix.MSG_FASTOPEN}, notifies, notifies},
		{"io_uring_setup", arch, c.ioUringSetup, nil, noSys, noSys},
		{"socket, TCP", arch, c.socket, []uint64{unix.AF_INET, unix.SOCK_STREAM, 0}, allows, allows},
		{"socket, UDP-Lite", arch, c.socket, []uint64{unix.AF_INET6, datagram, unix.IPPROTO_UDPLITE}, allows, allows},
		{"socket, SCTP", arch, c.socket, []uint64{unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_SCTP}, allows, noProtocol},
		{"socket, SCTP by its type", arch, c.socket, []uint64{unix.AF_INET, unix.SOCK_SEQPACKET | unix.SOCK_NONBLOCK, 0}, allows, noProtocol},
		{"socket, DCCP", arch, c.socket, []uint64{unix.AF_INET, unix.SOCK_DCCP, unix.IPPROTO_DCCP}, allows, noProtocol},
		{"socket, SMC", arch, c.socket, []uint64{unix.AF_SMC, unix.SOCK_STREAM, 0}, allows, noFamily},
		{"socket, SMC by its protocol", arch, c.socket, []uint64{unix.AF_INET, unix.SOCK_STREAM, ipprotoSMC}, allows, noProtocol},
		{"socket, Unix", arch, c.socket, []uint64{unix.AF_UNIX, unix.SOCK_SEQPACKET, 0}, allows, allows},
	}
	if c.socketcall != 0 {
		out = append(out,
			filterCase{"socketcall, bind", arch, c.socketcall, []uint64{callBind}, notifies, notifies},
			filterCase{"socketcall, sendto", arch, c.socketcall, []uint64{callSendto}, notifies, notifies},
			filterCase{"socketcall, socket", arch, c.socketcall, []uint64{callSocket}, allows, notifies},
			filterCase{"socketcall, sendmsg", arch, c.socketcall, []uint64{callSendmsg}, allows, notifies},
			filterCase{"socketcall, recvmsg", arch, c.socketcall, []uint64{17}, allows, allows})
	}
	return out
}

func TestFilter(t *testing.T) {
	tests := append(filterCases(auditArch, native()),
		filterCase{"accept4", auditArch, unix.SYS_ACCEPT4, nil, allows, allows},
		filterCase{"read", auditArch, unix.SYS_READ, nil, allows, allows},
		filterCase{"an unknown architecture", 0x15, unix.SYS_BIND, nil, allows, allows})
	if hasX32 {
		tests = append(tests, filterCase{"x32", auditArch, x32Bit | unix.SYS_BIND, nil, noSys, noSys})
	}
	for _, test := range filterCases(compatArch, compat()) {
		test.name = "32-bit " + test.name
		tests = append(tests, test)
	}
	for _, strict := range []bool{false, true} {
		code, err := Filter(strict)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			data := make([]byte, 64)
			binary.NativeEndian.PutUint32(data[dataNumber:], test.nr)
			binary.NativeEndian.PutUint32(data[dataArch:], test.arch)
			for i, arg := range test.args {
				binary.NativeEndian.PutUint64(data[dataArg0Low+8*i:], arg)
			}
			want := test.overlay
			if strict {
				want = test.strict
			}
			if got := run(t, code, data); got != want {
				t.Errorf("%s, strict %v: %#x, want %#x", test.name, strict, got, want)
			}
		}
	}
}
