package seccomphome

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

func TestFilter(t *testing.T) {
	const (
		allow  = unix.SECCOMP_RET_ALLOW
		notify = unix.SECCOMP_RET_USER_NOTIF
		noSys  = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		i386   = 0x40000003
	)
	code, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		arch uint32
		nr   uint32
		arg4 uint64
		want uint32
	}{
		{"bind", auditArch, unix.SYS_BIND, 0, notify},
		{"connect", auditArch, unix.SYS_CONNECT, 0, notify},
		{"listen", auditArch, unix.SYS_LISTEN, 0, notify},
		{"getsockname", auditArch, unix.SYS_GETSOCKNAME, 0, notify},
		{"getpeername", auditArch, unix.SYS_GETPEERNAME, 0, notify},
		{"sendto without an address", auditArch, unix.SYS_SENDTO, 0, allow},
		{"sendto with an address", auditArch, unix.SYS_SENDTO, 0x1000, notify},
		{"sendto with an address of only high bits", auditArch, unix.SYS_SENDTO, 1 << 40, notify},
		{"sendmsg", auditArch, unix.SYS_SENDMSG, 1, allow},
		{"accept4", auditArch, unix.SYS_ACCEPT4, 0, allow},
		{"read", auditArch, unix.SYS_READ, 0, allow},
		{"io_uring_setup", auditArch, unix.SYS_IO_URING_SETUP, 0, noSys},
		{"a 32-bit program", i386, unix.SYS_BIND, 0, allow},
	}
	if hasX32 {
		tests = append(tests, struct {
			name string
			arch uint32
			nr   uint32
			arg4 uint64
			want uint32
		}{"x32", auditArch, x32Bit | unix.SYS_BIND, 0, noSys})
	}
	for _, test := range tests {
		data := make([]byte, 64)
		binary.NativeEndian.PutUint32(data[dataNumber:], test.nr)
		binary.NativeEndian.PutUint32(data[dataArch:], test.arch)
		binary.NativeEndian.PutUint64(data[dataArg4Low:], test.arg4)
		if got := run(t, code, data); got != test.want {
			t.Errorf("%s: %#x, want %#x", test.name, got, test.want)
		}
	}
}
