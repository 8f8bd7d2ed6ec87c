package unotify

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// controlMax bounds the control messages of one message; the kernel's own
// bound (net.core.optmem_max) is in this range.
const controlMax = 64 << 10

// layout has the places of the fields of struct msghdr (sendmsg(2)), for programs of
// one word size.
type layout struct {
	Word                                             int
	Name, NameLen, Parts, PartCount, Control, Length int
	Size                                             int // of struct msghdr
	Sent, Stride                                     int // of struct mmsghdr
	head                                             int // size of struct cmsghdr
}

func (n *Notification) Layout() layout {
	if n.isCompat() {
		return layout{Word: 4, Name: 0, NameLen: 4, Parts: 8, PartCount: 12, Control: 16, Length: 20, Size: 28, Sent: 28, Stride: 32, head: 12}
	}
	return layout{Word: 8, Name: 0, NameLen: 8, Parts: 16, PartCount: 24, Control: 32, Length: 40, Size: 56, Sent: 56, Stride: 64, head: 16}
}

// Get reads a pointer or a size.
func (y layout) Get(b []byte, at int) uint64 {
	if y.Word == 4 {
		return uint64(binary.NativeEndian.Uint32(b[at:]))
	}
	return binary.NativeEndian.Uint64(b[at:])
}

// ReadControl copies control messages (cmsg(3)), and gives those of a 32-bit
// program the form that the kernel takes from us.
func ReadControl(n *Notification, at, length uint64) ([]byte, unix.Errno) {
	if length > controlMax {
		return nil, unix.ENOBUFS
	}
	if at == 0 {
		length = 0
	}
	b := make([]byte, length)
	if err := ReadMemory(n.TID, at, b); err != nil {
		return nil, Number(err)
	}
	if !n.isCompat() {
		return b, 0
	}
	return widen(b, n.Layout())
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
