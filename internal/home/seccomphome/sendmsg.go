package seccomphome

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// vectorMax is UIO_MAXIOV: parts of a message, and messages of a call.
const vectorMax = 1024

// sendmsg sends on the duplicate, with our own copy of address, data and
// control messages. In an overlay only TCP Fast Open comes here.
func sendmsg(c *call) unotify.Answer {
	flags := int(int32(c.n.Args[2])) //nolint:gosec // a C int
	if !copies(&c.s, flags) {
		return unotify.LetThrough
	}
	m, errno := readMessage(c, c.n.Args[1], flags)
	if errno != 0 {
		return unotify.Fail(errno)
	}
	return deliver(c, m)
}

// copies reports whether an address in a message means anything to the socket:
// what is sent on a connection goes where that goes.
func copies(s *socket.Socket, flags int) bool {
	return !s.Foreign && (s.Datagrams() || s.Proto != "" && flags&unix.MSG_FASTOPEN != 0)
}

// sendmmsg sends several messages. It ends at the first that would have to
// wait, as the kernel may, or is not sent.
func sendmmsg(c *call) unotify.Answer {
	n, fd := &c.n, c.l.fd
	flags := int(int32(n.Args[3])) //nolint:gosec // a C int
	if !copies(&c.s, flags) {
		return unotify.LetThrough
	}
	y := n.Layout()
	count := min(int(uint32(n.Args[2])), vectorMax) //nolint:gosec // a C unsigned int
	for i := range count {
		at := n.Args[1] + uint64(i*y.Stride) //nolint:gosec // small
		m, errno := readMessage(c, at, flags)
		if errno == 0 {
			tid, id := n.TID, n.ID
			m.Done = func(sent int64) unotify.Answer {
				var b [4]byte
				binary.NativeEndian.PutUint32(b[:], uint32(sent)) //nolint:gosec // at most payloadMax
				if !unotify.Valid(fd, id) {
					return unotify.Fail(unix.ESRCH) // the memory may be another's
				}
				if err := unotify.WriteMemory(tid, at+uint64(y.Sent), b[:]); err != nil { //nolint:gosec // small
					return unotify.Fail(unotify.Number(err))
				}
				return unotify.Answer{Val: int64(i) + 1}
			}
			if i > 0 {
				m.Flags |= unix.MSG_DONTWAIT
			}
			got := deliver(c, m)
			if got.Later || got.Errno == 0 && c.s.Connects() {
				return got
			}
			errno = got.Errno
		}
		if errno != 0 {
			if i > 0 {
				return unotify.Answer{Val: int64(i)}
			}
			return unotify.Fail(errno)
		}
	}
	return unotify.Answer{Val: int64(count)}
}

// readMessage copies a message as the kernel would: a length that it would not
// take is its own error.
func readMessage(c *call, at uint64, flags int) (unotify.Message, unix.Errno) {
	n := &c.n
	y := n.Layout()
	var b [64]byte
	h := b[:y.Size]
	if err := unotify.ReadMemory(n.TID, at, h); err != nil {
		return unotify.Message{}, unotify.Number(err)
	}
	m := unotify.Message{Flags: flags}
	name, nameLen := y.Get(h, y.Name), int32(binary.NativeEndian.Uint32(h[y.NameLen:])) //nolint:gosec // a C int
	switch {
	case nameLen < 0:
		return m, unix.EINVAL
	case name == 0 || nameLen == 0:
		m.Bare = true
	default:
		to, err := unotify.ReadAddress(n.TID, name, min(nameLen, unotify.AddressMax))
		if err != nil {
			return m, unotify.Number(err)
		}
		m.To = to
	}
	errno := unix.Errno(0)
	if m.Data, errno = readParts(c, y.Get(h, y.Parts), y.Get(h, y.PartCount)); errno != 0 {
		return m, errno
	}
	if m.Control, errno = unotify.ReadControl(n, y.Get(h, y.Control), y.Get(h, y.Length)); errno != 0 {
		return m, errno
	}
	if !c.valid() {
		return m, unix.ESRCH // no process is there to read it
	}
	return m, 0
}

// readParts copies the data of a message into one piece.
func readParts(c *call, at, count uint64) ([]byte, unix.Errno) {
	if count > vectorMax {
		return nil, unix.EMSGSIZE
	}
	n := &c.n
	y := n.Layout()
	vector := make([]byte, int(count)*2*y.Word)
	if err := unotify.ReadMemory(n.TID, at, vector); err != nil {
		return nil, unotify.Number(err)
	}
	room, size := c.room(), 0
	for i := 0; i < len(vector); i += 2 * y.Word {
		base, length := y.Get(vector, i), y.Get(vector, i+y.Word)
		if int64(length) < 0 { //nolint:gosec // the kernel reads it so
			return nil, unix.EINVAL
		}
		if length > uint64(payloadMax-size) {
			if !c.s.Connects() {
				return nil, unix.EMSGSIZE
			}
			length = uint64(payloadMax - size)
		}
		if err := unotify.ReadMemory(n.TID, base, room[size:size+int(length)]); err != nil {
			return nil, unotify.Number(err)
		}
		size += int(length)
	}
	return room[:size], 0
}
