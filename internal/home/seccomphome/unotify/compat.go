package unotify

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The calls of socketcall(2) (linux/net.h).
const (
	callSocket      = 1
	callBind        = 2
	callConnect     = 3
	callListen      = 4
	callGetsockname = 6
	callGetpeername = 7
	callSendto      = 11
	callSendmsg     = 16
	callSendmmsg    = 20
)

// socketcalls lists the calls of socketcall that go to the supervisor.
func socketcalls(strict bool) []uint32 {
	list := []uint32{callBind, callConnect, callListen, callGetsockname, callGetpeername, callSendto}
	if strict {
		list = append(list, callSocket, callSendmsg, callSendmmsg)
	}
	return list
}

// isCompat reports whether a 32-bit program made the call, or a 64-bit one by
// the 32-bit gate (int $0x80).
func (n *Notification) isCompat() bool { return compatArch != 0 && n.arch == compatArch }

// Translate returns a 32-bit call the number of the native one, and reads the
// arguments of socketcall from memory, once. Their addresses and lengths have
// the same form; only struct msghdr differs. ok is false for a call that a
// home has nothing to do with.
func (n *Notification) Translate() (ok bool, errno unix.Errno) {
	if !n.isCompat() {
		return true, 0
	}
	c, own := compat(), native()
	nr := uint32(n.NR) //nolint:gosec // a call's number
	if c.socketcall != 0 && nr == c.socketcall {
		return n.unpack(own)
	}
	for _, pair := range [][2]uint32{
		{c.bind, own.bind}, {c.connect, own.connect}, {c.listen, own.listen},
		{c.getsockname, own.getsockname}, {c.getpeername, own.getpeername},
		{c.sendto, own.sendto}, {c.sendmsg, own.sendmsg}, {c.sendmmsg, own.sendmmsg},
	} {
		if nr == pair[0] {
			n.NR = int32(pair[1]) //nolint:gosec // as above
			return true, 0
		}
	}
	return false, 0
}

// unpack turns a socketcall into the call that it stands for.
func (n *Notification) unpack(own calls) (bool, unix.Errno) {
	for _, one := range []struct {
		call, nr uint32
		args     int
	}{
		{callSocket, own.socket, 3}, {callBind, own.bind, 3}, {callConnect, own.connect, 3}, {callListen, own.listen, 2},
		{callGetsockname, own.getsockname, 3}, {callGetpeername, own.getpeername, 3},
		{callSendto, own.sendto, 6}, {callSendmsg, own.sendmsg, 3}, {callSendmmsg, own.sendmmsg, 4},
	} {
		if uint32(n.Args[0]) != one.call { //nolint:gosec // the kernel looks at these bits, too
			continue
		}
		var b [6 * 4]byte
		if err := ReadMemory(n.TID, n.Args[1], b[:4*one.args]); err != nil {
			return false, Number(err)
		}
		n.NR = int32(one.nr) //nolint:gosec // a call's number
		for i := range n.Args {
			n.Args[i] = uint64(binary.NativeEndian.Uint32(b[4*i:]))
		}
		return true, 0
	}
	return false, 0
}

// Socket answers socketcall's socket(2) in a strict home, as the filter does
// where it can see the arguments.
func (n *Notification) Socket() Answer {
	family, kind, protocol := uint32(n.Args[0]), uint32(n.Args[1])&socketTypeMask, uint32(n.Args[2]) //nolint:gosec // C ints
	for _, f := range foreignFamilies() {
		if family == f {
			return Fail(unix.EAFNOSUPPORT)
		}
	}
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return LetThrough
	}
	for _, p := range foreignProtocols() {
		if protocol == p {
			return Fail(unix.EPROTONOSUPPORT)
		}
	}
	if kind == unix.SOCK_SEQPACKET || kind == unix.SOCK_DCCP {
		return Fail(unix.EPROTONOSUPPORT)
	}
	return LetThrough
}
