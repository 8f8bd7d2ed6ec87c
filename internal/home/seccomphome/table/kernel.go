package table

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Kernel is the kernel's table of sockets. Where sock_diag is missing, and
// /proc/net tells no cookies, it knows the sockets that passed through this
// process by their inode and user.
type Kernel struct {
	conn *diag.Conn

	mu     sync.Mutex // guards inodes
	inodes generations[identity]
}

// identity is the user and the cookie of a socket.
type identity struct {
	uid    uint32
	cookie uint64
}

// unknownCookie marks cookies that stand for sockets which are not known: the
// kernel counts its own from one.
const unknownCookie = 1 << 63

// OpenKernel opens the kernel's table.
func OpenKernel() (*Kernel, error) {
	conn, err := diag.Open()
	if err != nil {
		return nil, err
	}
	return &Kernel{conn: conn}, nil
}

// Close closes the connection to the kernel.
func (k *Kernel) Close() error { return k.conn.Close() }

// Know keeps how /proc/net shows a socket whose cookie is known. The kernel
// tells both of the descriptor itself, so that no other socket is taken for
// it: an inode number comes again after four thousand million sockets, but not
// with another's user.
func (k *Kernel) Know(s *socket.Socket) {
	var st unix.Stat_t
	if err := unix.Fstat(s.FD, &st); err != nil || s.Cookie == 0 {
		return
	}
	k.know(uint32(st.Ino), identity{st.Uid, s.Cookie}) //nolint:gosec // the kernel's tables have 32 bits
}

func (k *Kernel) know(inode uint32, is identity) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.inodes.put(uint64(inode), is)
}

// CookieAt returns the cookie by which the kernel's table has a socket. A
// listening Multipath TCP socket is shown by its subflow, which has another
// than the program's socket.
func (k *Kernel) CookieAt(s *socket.Socket, at netip.AddrPort) uint64 {
	if s.Raw == unix.IPPROTO_MPTCP {
		if got, found, err := k.Lookup(s.Proto, at); err == nil && found && got.Src == at {
			if got.FromProc {
				k.know(got.Inode, identity{got.UID, s.Cookie})
				return s.Cookie
			}
			return got.Cookie
		}
	}
	return s.Cookie
}

// complete adds the cookie to what /proc/net tells.
func (k *Kernel) complete(s *diag.Socket) {
	if !s.FromProc || s.Inode == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if got, ok := k.inodes.get(uint64(s.Inode)); ok && got.uid == s.UID {
		s.Cookie = got.cookie
		return
	}
	s.Cookie = unknownCookie | uint64(s.Inode)
}

// Lookup is [diag.Conn.Lookup], with cookies.
func (k *Kernel) Lookup(proto loopback.Protocol, local netip.AddrPort) (diag.Socket, bool, error) {
	s, found, err := k.conn.Lookup(proto, local)
	k.complete(&s)
	return s, found, err
}

// LookupPair is [diag.Conn.LookupPair], with cookies.
func (k *Kernel) LookupPair(proto loopback.Protocol, local, remote netip.AddrPort) (diag.Socket, bool, error) {
	s, found, err := k.conn.LookupPair(proto, local, remote)
	k.complete(&s)
	return s, found, err
}

// LookupEach is [diag.Conn.LookupEach], with cookies.
func (k *Kernel) LookupEach(proto loopback.Protocol, locals []netip.AddrPort, f func(i int, s diag.Socket, found bool, err error)) {
	k.conn.LookupEach(proto, locals, func(i int, s diag.Socket, found bool, err error) {
		k.complete(&s)
		f(i, s, found, err)
	})
}

// Dump is [diag.Conn.Dump], with cookies.
func (k *Kernel) Dump(proto loopback.Protocol, family int, states uint32) ([]diag.Socket, error) {
	list, err := k.conn.Dump(proto, family, states)
	for i := range list {
		k.complete(&list[i])
	}
	return list, err
}
