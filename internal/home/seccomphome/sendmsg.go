package seccomphome

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	// vectorMax is UIO_MAXIOV: parts of a message, and messages of a call.
	vectorMax = 1024
	// controlMax bounds the control messages of one message; the kernel's own
	// bound (net.core.optmem_max) is in this range.
	controlMax = 64 << 10
)

// layout says where struct msghdr (sendmsg(2)) has its fields, for programs of
// one word size.
type layout struct {
	word                                             int
	name, nameLen, parts, partCount, control, length int
	size                                             int // of struct msghdr
	sent, stride                                     int // of struct mmsghdr
	head                                             int // size of struct cmsghdr
}

func (n *notification) layout() layout {
	if n.isCompat() {
		return layout{word: 4, name: 0, nameLen: 4, parts: 8, partCount: 12, control: 16, length: 20, size: 28, sent: 28, stride: 32, head: 12}
	}
	return layout{word: 8, name: 0, nameLen: 8, parts: 16, partCount: 24, control: 32, length: 40, size: 56, sent: 56, stride: 64, head: 16}
}

// get reads a pointer or a size.
func (y layout) get(b []byte, at int) uint64 {
	if y.word == 4 {
		return uint64(binary.NativeEndian.Uint32(b[at:]))
	}
	return binary.NativeEndian.Uint64(b[at:])
}

// sendmsg sends on the duplicate, with our own copy of address, data and
// control messages. In an overlay only TCP Fast Open comes here.
func (l *listener) sendmsg(n *notification, s *socket) answer {
	flags := int(int32(n.args[2])) //nolint:gosec // a C int
	if !l.copies(s, flags) {
		return letThrough
	}
	m, errno := l.readMessage(n, s, n.args[1], flags)
	if errno != 0 {
		return fail(errno)
	}
	return l.deliver(n, s, m)
}

// copies reports whether an address in a message means anything to the socket:
// what is sent on a connection goes where that goes.
func (l *listener) copies(s *socket, flags int) bool {
	return !s.foreign && (s.datagrams() || s.proto != "" && flags&unix.MSG_FASTOPEN != 0)
}

// sendmmsg sends several messages. It ends at the first that would have to
// wait, as the kernel may, or is not sent.
func (l *listener) sendmmsg(n *notification, s *socket) answer {
	flags := int(int32(n.args[3])) //nolint:gosec // a C int
	if !l.copies(s, flags) {
		return letThrough
	}
	y := n.layout()
	count := min(int(uint32(n.args[2])), vectorMax) //nolint:gosec // a C unsigned int
	for i := range count {
		at := n.args[1] + uint64(i*y.stride) //nolint:gosec // small
		m, errno := l.readMessage(n, s, at, flags)
		if errno == 0 {
			tid, id := n.tid, n.id
			m.done = func(sent int64) answer {
				var b [4]byte
				binary.NativeEndian.PutUint32(b[:], uint32(sent)) //nolint:gosec // at most payloadMax
				if !valid(l.fd, id) {
					return fail(unix.ESRCH) // the memory may be somebody else's
				}
				if err := writeMemory(tid, at+uint64(y.sent), b[:]); err != nil { //nolint:gosec // small
					return fail(number(err))
				}
				return answer{val: int64(i) + 1}
			}
			if i > 0 {
				m.flags |= unix.MSG_DONTWAIT
			}
			got := l.deliver(n, s, m)
			if got.later || got.errno == 0 && s.connects() {
				return got
			}
			errno = got.errno
		}
		if errno != 0 {
			if i > 0 {
				return answer{val: int64(i)}
			}
			return fail(errno)
		}
	}
	return answer{val: int64(count)}
}

// readMessage copies a message as the kernel would: a length that it would not
// take is its own error.
func (l *listener) readMessage(n *notification, s *socket, at uint64, flags int) (message, unix.Errno) {
	y := n.layout()
	var b [64]byte
	h := b[:y.size]
	if err := readMemory(n.tid, at, h); err != nil {
		return message{}, number(err)
	}
	m := message{flags: flags}
	name, nameLen := y.get(h, y.name), int32(binary.NativeEndian.Uint32(h[y.nameLen:])) //nolint:gosec // a C int
	switch {
	case nameLen < 0:
		return m, unix.EINVAL
	case name == 0 || nameLen == 0:
		m.bare = true
	default:
		to, err := readAddress(n.tid, name, min(nameLen, addressMax))
		if err != nil {
			return m, number(err)
		}
		m.to = to
	}
	errno := unix.Errno(0)
	if m.data, errno = l.readParts(n, s, y.get(h, y.parts), y.get(h, y.partCount)); errno != 0 {
		return m, errno
	}
	if m.control, errno = readControl(n, y.get(h, y.control), y.get(h, y.length)); errno != 0 {
		return m, errno
	}
	if !valid(l.fd, n.id) {
		return m, unix.ESRCH // nobody is there to read it
	}
	return m, 0
}

// readParts copies the data of a message into one piece.
func (l *listener) readParts(n *notification, s *socket, at, count uint64) ([]byte, unix.Errno) {
	if count > vectorMax {
		return nil, unix.EMSGSIZE
	}
	y := n.layout()
	vector := make([]byte, int(count)*2*y.word)
	if err := readMemory(n.tid, at, vector); err != nil {
		return nil, number(err)
	}
	room, size := l.room(), 0
	for i := 0; i < len(vector); i += 2 * y.word {
		base, length := y.get(vector, i), y.get(vector, i+y.word)
		if int64(length) < 0 { //nolint:gosec // the kernel reads it so
			return nil, unix.EINVAL
		}
		if length > uint64(payloadMax-size) {
			if !s.connects() {
				return nil, unix.EMSGSIZE
			}
			length = uint64(payloadMax - size)
		}
		if err := readMemory(n.tid, base, room[size:size+int(length)]); err != nil {
			return nil, number(err)
		}
		size += int(length)
	}
	return room[:size], 0
}

// readControl copies control messages (cmsg(3)), and gives those of a 32-bit
// program the form that the kernel takes from us.
func readControl(n *notification, at, length uint64) ([]byte, unix.Errno) {
	if length > controlMax {
		return nil, unix.ENOBUFS
	}
	if at == 0 {
		length = 0
	}
	b := make([]byte, length)
	if err := readMemory(n.tid, at, b); err != nil {
		return nil, number(err)
	}
	if !n.isCompat() {
		return b, 0
	}
	return widen(b, n.layout())
}

// widen rewrites 32-bit control messages. Those of IPv4 and IPv6 hold nothing
// whose size depends on the word's.
func widen(b []byte, y layout) ([]byte, unix.Errno) {
	var out []byte
	for len(b) >= y.head {
		size := int(binary.NativeEndian.Uint32(b))
		if size < y.head || size > len(b) {
			return nil, unix.EINVAL
		}
		data := b[y.head:size]
		out = binary.NativeEndian.AppendUint64(out, uint64(unix.SizeofCmsghdr+len(data)))
		out = append(out, b[4:12]...) // level and type
		out = append(out, data...)
		out = append(out, make([]byte, -len(data)&7)...)
		b = b[min((size+3)&^3, len(b)):]
	}
	return out, 0
}
