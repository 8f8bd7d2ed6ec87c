package diag

import (
	"encoding/binary"
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
	mu     sync.Mutex // guards everything below: a question and its answers
	fd     int        // -1 where there is no sock_diag at all
	closed bool
	// refused is why there is none.
	refused error
	diag    [tableCount]diagState
	proc    procNet
	seq     uint32
	req     [HeaderLen + requestLen]byte
	one     [1024]byte
	// found and hit are where Lookup's answer is put, here so that asking
	// allocates nothing.
	found Record
	hit   bool
	keep  func(body []byte) error
	big   []byte // for dumps, made by the first one
}

// Open opens a Conn in the current network namespace. No privilege is needed.
// Where there is no sock_diag, /proc/net answers.
func Open() (*Conn, error) {
	c := &Conn{}
	c.keep = func(body []byte) error {
		c.found, c.hit = Record{}, true
		return parseRecord(body, &c.found, nil)
	}
	c.proc.listenersFirst = listenersFirst()
	var err error
	if c.fd, err = openDiag(); err == nil {
		return c, nil
	}
	err = fmt.Errorf("open sock_diag: %w", err)
	if !Refuses(err) {
		return nil, err
	}
	c.refused = err
	if _, other := c.proc.open(tableTCP, false); other != nil {
		return nil, fmt.Errorf("%w; nor is there /proc/net: %w", err, other)
	}
	return c, nil
}

// Close ends the conversation. Later calls answer EBADF.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.proc.close()
	if c.fd < 0 {
		return nil
	}
	if err := unix.Close(c.fd); err != nil {
		return fmt.Errorf("close sock_diag: %w", err)
	}
	return nil
}

// Lookup asks which socket would receive a connection (TCP) or a datagram
// (UDP) that is sent to local from an unknown address: the listener
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
// socket that is connected to remote. The zero AddrPort is an unknown
// remote. Both must be of one address family.
func (c *Conn) LookupPair(proto loopback.Protocol, local, remote netip.AddrPort) (Socket, bool, error) {
	number, err := protocolNumber(proto)
	if err != nil {
		return Socket{}, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	errno, err := c.find(number, local, remote, 0)
	switch {
	case err != nil:
		return Socket{}, false, fmt.Errorf("look up %s %v: %w", proto, local, err)
	case errno == unix.ENOENT:
		return Socket{}, false, nil
	case errno != 0:
		return Socket{}, false, fmt.Errorf("look up %s %v: %w", proto, local, errno)
	}
	return c.found.Socket(), c.hit, nil
}

// find is lookup, by /proc/net where sock_diag is missing. c.mu is held.
func (c *Conn) find(protocol byte, local, remote netip.AddrPort, iface uint32) (unix.Errno, error) {
	if c.closed {
		return 0, unix.EBADF
	}
	t := tableOf(protocol)
	if !c.missing(t) {
		errno, err := c.lookup(protocol, local, remote, iface)
		switch {
		case err == nil && (errno == 0 || errno == unix.ENOENT && c.diag[t].told):
			return errno, nil
		case err == nil && !c.doubt(t, errno), err != nil && !c.doubt(t, err):
			return errno, err
		}
	}
	got, hit, err := c.proc.find(t, local, remote)
	c.found, c.hit = got, hit
	if err == nil && !hit {
		return unix.ENOENT, nil
	}
	return 0, err
}

// lookup asks sock_diag for one socket, by the interface too that it is bound to, and
// leaves it in c.found and c.hit. c.mu is held.
func (c *Conn) lookup(protocol byte, local, remote netip.AddrPort, iface uint32) (unix.Errno, error) {
	family := byte(unix.AF_INET6)
	if local.Addr().Unmap().Is4() {
		family = unix.AF_INET
		local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	}
	c.seq++
	putRequest(&c.req, c.seq, 0, family, protocol, AllStates)
	binary.NativeEndian.PutUint32(c.req[HeaderLen+8+36:], iface)
	// For UDP the kernel reads the two ends the other way round, "for
	// historical reasons" (net/ipv4/udp_diag.c, udp_dump_one).
	at := 0
	if protocol == unix.IPPROTO_UDP || protocol == unix.IPPROTO_UDPLITE {
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
	return c.ask()
}

// again asks for the socket of a record, or the one that local and remote are
// of, in the record's form.
func (c *Conn) again(proto uint8, local, remote netip.AddrPort, iface uint32) (Record, bool, error) {
	number := byte(unix.IPPROTO_TCP)
	if proto == ProtoUDP {
		number = unix.IPPROTO_UDP
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	errno, err := c.find(number, local, remote, iface)
	switch {
	case err != nil:
		return Record{}, false, fmt.Errorf("look up %v: %w", local, err)
	case errno != 0 || !c.hit:
		return Record{}, false, nil
	}
	r := c.found
	r.Proto, r.Peer = proto, -1
	return r, true, nil
}

// ask sends c.req and reads until its answer, which goes to c.found.
func (c *Conn) ask() (unix.Errno, error) {
	if err := c.send(c.req[:]); err != nil {
		return 0, err
	}
	// A stale answer can stand before ours only after a receive that timed
	// out, so few turns are enough.
	for range 64 {
		n, err := read(c.fd, c.one[:])
		if err != nil {
			return 0, err
		}
		got, err := messages(c.one[:n], c.seq, c.keep)
		if err != nil {
			return 0, err
		}
		if got.done {
			return got.errno, nil
		}
	}
	return 0, errors.New("no answer among 64 messages")
}

func (c *Conn) send(request []byte) error {
	for {
		n, err := unix.Write(c.fd, request)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n != len(request):
			return fmt.Errorf("sent %d bytes of %d", n, len(request))
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

func protocolNumber(p loopback.Protocol) (byte, error) {
	switch p {
	case loopback.TCP:
		return unix.IPPROTO_TCP, nil
	case loopback.UDP:
		return unix.IPPROTO_UDP, nil
	case "udplite":
		return unix.IPPROTO_UDPLITE, nil
	}
	return 0, fmt.Errorf("protocol %q: none of tcp, udp, udplite", p)
}

// LookupEach is [Conn.Lookup] for several addresses, in their order. Where
// /proc/net is read, it is read once.
func (c *Conn) LookupEach(proto loopback.Protocol, locals []netip.AddrPort, f func(i int, s Socket, found bool, err error)) {
	number, err := protocolNumber(proto)
	var read *byPort
	states := uint32(Listening)
	if proto != loopback.TCP {
		states = AllStates
	}
	for i, at := range locals {
		c.mu.Lock()
		missing := err == nil && read == nil && !c.closed && c.missing(tableOf(number))
		c.mu.Unlock()
		if missing {
			read, err = readByPort(c, tableOf(number), states)
		}
		switch {
		case err != nil:
			f(i, Socket{}, false, err)
		case read != nil:
			r, found := read.find(tableOf(number), at, netip.AddrPort{})
			f(i, r.Socket(), found, nil)
		default:
			s, found, err := c.Lookup(proto, at)
			f(i, s, found, err)
		}
	}
}
