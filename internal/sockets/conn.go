package sockets

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// dumpTries bounds how often a dump is made again because the table changed
// meanwhile.
const dumpTries = 8

// ErrInterrupted says that the kernel's table kept changing while it was
// read, so that the answer would have been incomplete.
var ErrInterrupted = errors.New("the socket table changed during every reading of it")

// Conn is an open conversation with the kernel. Its methods may be called
// from several goroutines, one at a time is answered.
type Conn struct {
	mu  sync.Mutex // guards everything below: a question and its answers
	fd  int
	seq uint32
	req [headerLen + requestLen]byte
	one [1024]byte
	// found and hit are where Lookup's answer is put, here so that asking
	// allocates nothing.
	found Socket
	hit   bool
	keep  func(Socket)
	big   []byte // for dumps, made by the first one
}

// Open opens a Conn in the current network namespace. No privilege is needed.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	c := &Conn{fd: fd}
	c.keep = func(s Socket) { c.found, c.hit = s, true }
	// An answer is there when the question returns. The limit only keeps a
	// lost answer from stopping the caller for ever.
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		_ = unix.Close(fd) // the first error is the one to tell
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	return c, nil
}

// Close ends the conversation. Later calls answer EBADF.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	fd := c.fd
	c.fd = -1
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("close sock_diag: %w", err)
	}
	return nil
}

// Lookup asks which socket would receive a connection (TCP) or a datagram
// (UDP) that is sent to local from an address that nobody knows: the listener
// or the unconnected socket that the kernel itself would choose. The cost does
// not grow with the number of sockets, and nothing is allocated.
//
// The answer may be a socket bound to the wildcard address: compare Src with
// local where that matters. An IPv4 local also finds dual-stack IPv6 sockets.
// The bool is false when there is none.
func (c *Conn) Lookup(proto loopback.Protocol, local netip.AddrPort) (Socket, bool, error) {
	return c.LookupPair(proto, local, netip.AddrPort{})
}

// LookupPair is Lookup for what is sent from remote to local: it also finds a
// socket that is connected to remote. The zero AddrPort is a remote that
// nobody knows. Both must be of one address family.
func (c *Conn) LookupPair(proto loopback.Protocol, local, remote netip.AddrPort) (Socket, bool, error) {
	number, err := protocolNumber(proto)
	if err != nil {
		return Socket{}, false, err
	}
	family := byte(unix.AF_INET6)
	if local.Addr().Unmap().Is4() {
		family = unix.AF_INET
		local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	putRequest(&c.req, c.seq, 0, family, number, AllStates)
	// For UDP the kernel reads the two ends the other way round, "for
	// historical reasons" (net/ipv4/udp_diag.c, udp_dump_one).
	at := 0
	if proto == loopback.UDP {
		at = 1
	}
	putAddress(&c.req, at, local)
	if remote.IsValid() {
		if family == unix.AF_INET {
			remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
		}
		putAddress(&c.req, 1-at, remote)
	}
	c.hit = false
	errno, err := c.ask()
	switch {
	case err != nil:
		return Socket{}, false, fmt.Errorf("look up %s %v: %w", proto, local, err)
	case errno == unix.ENOENT:
		return Socket{}, false, nil
	case errno != 0:
		return Socket{}, false, fmt.Errorf("look up %s %v: %w", proto, local, errno)
	}
	return c.found, c.hit, nil
}

// ask sends c.req and reads until its answer, which goes to c.found.
func (c *Conn) ask() (unix.Errno, error) {
	if err := c.send(); err != nil {
		return 0, err
	}
	// A stale answer can stand before ours only after a receive that timed
	// out, so few turns are enough.
	for range 64 {
		n, err := read(c.fd, c.one[:])
		if err != nil {
			return 0, err
		}
		got, err := parse(c.one[:n], c.seq, c.keep)
		if err != nil {
			return 0, err
		}
		if got.done {
			return got.errno, nil
		}
	}
	return 0, errors.New("no answer among 64 messages")
}

func (c *Conn) send() error {
	for {
		n, err := unix.Write(c.fd, c.req[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n != len(c.req):
			return fmt.Errorf("sent %d bytes of %d", n, len(c.req))
		default:
			return nil
		}
	}
}

func read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Dump lists the sockets of one protocol and family (AF_INET or AF_INET6)
// whose state is in states, a mask with one bit a state (Listening, UDPBound,
// AllStates). A dual-stack socket is in AF_INET6's list only.
func (c *Conn) Dump(proto loopback.Protocol, family int, states uint32) ([]Socket, error) {
	number, err := protocolNumber(proto)
	if err != nil {
		return nil, err
	}
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return nil, fmt.Errorf("dump %s sockets: family %d: %w", proto, family, unix.EAFNOSUPPORT)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.big == nil {
		// The kernel fills at most 32 KiB at a time.
		c.big = make([]byte, 64<<10)
	}
	var list []Socket
	for range dumpTries {
		var again bool
		list, again, err = c.dump(list[:0], number, byte(family), states)
		if err != nil {
			return nil, fmt.Errorf("dump %s sockets: %w", proto, err)
		}
		if !again {
			return list, nil
		}
	}
	return nil, fmt.Errorf("dump %s sockets: %w", proto, ErrInterrupted)
}

func (c *Conn) dump(list []Socket, protocol, family byte, states uint32) ([]Socket, bool, error) {
	c.seq++
	putRequest(&c.req, c.seq, unix.NLM_F_DUMP, family, protocol, states)
	if err := c.send(); err != nil {
		return list, false, err
	}
	interrupted := false
	add := func(s Socket) { list = append(list, s) }
	for {
		// A datagram that does not fit is told in the flags.
		n, _, flags, _, err := unix.Recvmsg(c.fd, c.big, nil, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return list, false, err
		case flags&unix.MSG_TRUNC != 0:
			return list, false, errShort
		}
		got, err := parse(c.big[:n], c.seq, add)
		switch {
		case err != nil:
			return list, false, err
		case got.errno != 0:
			return list, false, got.errno
		}
		interrupted = interrupted || got.interrupted
		if got.done {
			return list, interrupted, nil
		}
	}
}

// Dump is Conn.Dump on a conversation of its own.
func Dump(proto loopback.Protocol, family int, states uint32) ([]Socket, error) {
	c, err := Open()
	if err != nil {
		return nil, err
	}
	list, err := c.Dump(proto, family, states)
	return list, errors.Join(err, c.Close())
}

func protocolNumber(p loopback.Protocol) (byte, error) {
	switch p {
	case loopback.TCP:
		return unix.IPPROTO_TCP, nil
	case loopback.UDP:
		return unix.IPPROTO_UDP, nil
	}
	return 0, fmt.Errorf("protocol %q: neither tcp nor udp", p)
}
