package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// kernel is the kernel's table of sockets. Where sock_diag is missing, and
// /proc/net tells no cookies, it knows the sockets that passed through this
// process by their inode and user.
type kernel struct {
	*diag.Conn
	h *Home
}

// shown is how /proc/net shows a socket.
type shown struct{ inode, uid uint32 }

// unknownCookie marks cookies that stand for sockets which are not known: the
// kernel counts its own from one.
const unknownCookie = 1 << 63

// know keeps how /proc/net shows a socket whose cookie is known. The kernel
// tells both of the descriptor itself, so that nobody else's socket is taken for
// it: an inode number comes again after four thousand million sockets, but not
// with another's user.
func (h *Home) know(s *socket) {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil || s.cookie == 0 {
		return
	}
	h.knowAs(shown{uint32(st.Ino), st.Uid}, s.cookie)
}

func (h *Home) knowAs(by shown, cookie uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inodes.put(uint64(by.inode), known{by.uid, cookie})
}

// known is the user and the cookie of a socket.
type known struct {
	uid    uint32
	cookie uint64
}

// complete adds the cookie to what /proc/net tells.
func (k kernel) complete(s *diag.Socket) {
	if !s.FromProc || s.Inode == 0 {
		return
	}
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	if got, ok := k.h.inodes.get(uint64(s.Inode)); ok && got.uid == s.UID {
		s.Cookie = got.cookie
		return
	}
	s.Cookie = unknownCookie | uint64(s.Inode)
}

// Lookup is [sockets.Conn.Lookup], with cookies.
func (k kernel) Lookup(proto loopback.Protocol, local netip.AddrPort) (diag.Socket, bool, error) {
	s, found, err := k.Conn.Lookup(proto, local)
	k.complete(&s)
	return s, found, err
}

// LookupPair is [sockets.Conn.LookupPair], with cookies.
func (k kernel) LookupPair(proto loopback.Protocol, local, remote netip.AddrPort) (diag.Socket, bool, error) {
	s, found, err := k.Conn.LookupPair(proto, local, remote)
	k.complete(&s)
	return s, found, err
}

// Dump is [sockets.Conn.Dump], with cookies.
func (k kernel) Dump(proto loopback.Protocol, family int, states uint32) ([]diag.Socket, error) {
	list, err := k.Conn.Dump(proto, family, states)
	for i := range list {
		k.complete(&list[i])
	}
	return list, err
}
