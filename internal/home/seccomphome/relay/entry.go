package relay

import (
	"context"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/feed"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// entry is where programs are connected to in the place of one service. Each service has
// its own, so that two connections which can exist at once without the relay can with it:
// their addresses differ in the same way.
type entry struct {
	to, at netip.AddrPort
	ln     *net.TCPListener
	// pending are the connections that are about to come, by the program's address.
	// Others are turned away.
	pending map[netip.AddrPort]*conn
	retired bool // no more are led here: it ends with the last that is pending
	open    int  // connections
}

// Passage is one connect that is led through the relay.
type Passage struct {
	// At is where the program's socket is to be connected.
	At     netip.AddrPort
	r      *Relay
	e      *entry
	c      *conn
	client netip.AddrPort
}

// Open prepares to lead a connect of s, which is not connected and has the address from
// (port 0: none), to a service at to. Where it cannot, the program connects directly, and
// why is the reason, one of package feed's: a service that refuses is refused then, too.
func (r *Relay) Open(s *socket.Socket, from, to netip.AddrPort, o feed.Opening) (p *Passage, why string) {
	if s.Raw != unix.IPPROTO_TCP {
		return nil, feed.Multipath
	}
	if from.Port() != 0 && from.Addr().IsUnspecified() {
		return nil, feed.Address // the kernel chooses the rest of it
	}
	e, why := r.entry(to)
	if e == nil {
		return nil, why
	}
	up, client, why := connect(s, from, to)
	if up == nil {
		return nil, why
	}
	o.Client, o.Server = client, to
	c := newConn(e, up, o)
	p = &Passage{At: e.at, r: r, e: e, c: c, client: client}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := e.pending[client]; old != nil { // it never came
		old.close()
		delete(e.pending, client)
	}
	if r.closed || e.pending == nil || e.retired && len(e.pending) == 0 {
		c.close()
		return nil, feed.Failed
	}
	e.pending[client] = c
	return p, ""
}

// Cancel is for a program that could not be connected to the relay.
func (p *Passage) Cancel() {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.e.pending[p.client] == p.c {
		delete(p.e.pending, p.client)
		p.r.tidy(p.e)
	}
	p.c.reset() // also where a stranger came with the program's address
}

// entry returns the entry of a service, which it makes if there is none.
func (r *Relay) entry(to netip.AddrPort) (e *entry, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e = r.entries[to]; {
	case r.closed:
		return nil, feed.Failed
	case len(r.conns) >= r.limit:
		return nil, feed.Many
	case e != nil:
		e.retired = false
		return e, ""
	case len(r.entries) >= maxEntries:
		return nil, feed.Many
	}
	at, network := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), "tcp4"
	if to.Addr().Is6() {
		at, network = netip.AddrPortFrom(netip.IPv6Loopback(), 0), "tcp6"
	}
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	ln, err := config.Listen(context.Background(), network, at.String())
	if err != nil {
		return nil, feed.Failed
	}
	tcp, ok := ln.(*net.TCPListener)
	own, oops := netip.ParseAddrPort(ln.Addr().String())
	if !ok || oops != nil {
		_ = ln.Close() // nothing was written to it
		return nil, feed.Failed
	}
	e = &entry{to: to, at: own, ln: tcp, pending: map[netip.AddrPort]*conn{}}
	r.entries[to], r.real[own] = e, e
	r.running.Go(func() { r.accept(e) })
	return e, ""
}

// tidy ends what of an entry is not needed any more. The caller holds r.mu.
func (r *Relay) tidy(e *entry) {
	if !e.retired || len(e.pending) > 0 {
		return
	}
	if r.entries[e.to] == e {
		delete(r.entries, e.to)
		_ = e.ln.Close() // nothing was written to it
	}
	if e.open == 0 {
		delete(r.real, e.at)
	}
}

// accept takes the connections that were announced, and turns others away.
func (r *Relay) accept(e *entry) {
	for {
		in, err := e.ln.AcceptTCP()
		if err != nil {
			r.mu.Lock()
			gone := r.closed || r.entries[e.to] != e
			r.mu.Unlock()
			if gone {
				return
			}
			time.Sleep(10 * time.Millisecond) // EMFILE: descriptors come back by themselves, not as an event
			continue
		}
		peer := in.RemoteAddr().(*net.TCPAddr).AddrPort() //nolint:forcetypeassert // it is of TCP
		peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
		r.mu.Lock()
		c := e.pending[peer]
		if c != nil {
			delete(e.pending, peer)
			c.in = in
			r.last++
			c.number = r.last
			r.conns[c] = struct{}{}
			e.open++
			c.watch(r.taps)
			r.running.Go(func() { r.carry(c) })
			r.tidy(e)
		}
		r.mu.Unlock()
		if c == nil {
			_ = in.SetLinger(0)
			_ = in.Close() // nothing was written to it
		}
	}
}

// carry copies a connection to its end.
func (r *Relay) carry(c *conn) {
	c.copy(&r.buffers)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	c.entry.open--
	r.tidy(c.entry)
}

// connect connects to a service as the program's socket s would. It returns the client's
// address, which s is bound to where it was not bound.
func connect(s *socket.Socket, from, to netip.AddrPort) (up *net.TCPConn, client netip.AddrPort, why string) {
	domain := unix.AF_INET
	if to.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, client, feed.Many
	}
	abandon := func(why string) (*net.TCPConn, netip.AddrPort, string) {
		_ = unix.Close(fd) // nothing was written to it
		return nil, client, why
	}
	// Two sockets may have one address where both say that they allow it, and none
	// listens (socket(7), SO_REUSEADDR). The program's says so for as long as it takes.
	reuse, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEADDR)
	if err != nil || unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil {
		return abandon(feed.Address)
	}
	share := func(on int) {
		if reuse == 0 {
			_ = unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEADDR, on) // what follows fails without
		}
	}
	own := &socket.Socket{FD: fd, Domain: domain}
	if from.Port() != 0 {
		share(1)
		errno := own.Bind(from)
		share(0)
		if errno != 0 {
			return abandon(feed.Address)
		}
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // what is read is written at once
	// A loopback connection is made, or refused, when connect returns, unless the
	// service's queue is full.
	if errno := unotify.NewAddress(domain, to).Connect(fd); errno != 0 && errno != unix.EINPROGRESS {
		return abandon(feed.Unrefused)
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	switch {
	case err != nil:
		return abandon(feed.Failed)
	case info.State == unix.BPF_TCP_SYN_SENT:
		return abandon(feed.Backlog)
	case info.State != unix.BPF_TCP_ESTABLISHED && info.State != unix.BPF_TCP_CLOSE_WAIT:
		return abandon(feed.Unrefused)
	}
	local, err := own.Local()
	if err != nil {
		return abandon(feed.Failed)
	}
	client = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if from.Port() == 0 {
		// The option stays: a connection that has ended keeps the port for a minute,
		// and would keep the next one from it.
		share(1)
		if errno := s.Bind(client); errno != 0 {
			share(0)
			return abandon(feed.Address)
		}
	}
	if up = tcpConn(fd); up == nil {
		return nil, client, feed.Many
	}
	return up, client, ""
}
