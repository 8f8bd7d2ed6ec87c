package relay

import (
	"context"
	"net"
	"net/netip"
	"sync"
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
	// announced counts the programs that are being connected, whose address is not
	// known yet, and pending are the connections that are about to come, by it. Others
	// are turned away.
	announced int
	pending   map[netip.AddrPort]*conn
	settled   *sync.Cond // of announced and pending
	retired   bool       // no more are led here: it ends with the last that is to come
	open      int        // connections
}

// awaits reports whether connections are to come. The caller holds the lock.
func (e *entry) awaits() bool { return e.announced > 0 || len(e.pending) > 0 }

// Passage is one connect that is led through the relay.
type Passage struct {
	// At is where the program's socket is to be connected. Client is what the service
	// sees as the client's address.
	At, Client netip.AddrPort
	r          *Relay
	e          *entry
	c          *conn
}

// Open prepares to lead a connect of s, which is not connected and has the address from
// (port 0: none), to a service at to. Where it cannot, the program connects directly, and
// why is the reason, one of package feed's: a service that refuses is refused then, too.
func (r *Relay) Open(s *socket.Socket, from, to netip.AddrPort, o feed.Opening) (p *Passage, why string) {
	if s.Raw != unix.IPPROTO_TCP {
		return nil, feed.Multipath
	}
	if from.Port() != 0 && from.Addr().IsUnspecified() {
		if held(from.Port(), to) {
			return nil, feed.Address // the kernel chooses the rest of it
		}
		from = netip.AddrPort{}
	}
	e, why := r.announce(to)
	if e == nil {
		return nil, why
	}
	up, client, why := connect(s, from, to)
	if up == nil {
		r.settle(e)
		return nil, why
	}
	o.Client, o.Server = client, to
	return &Passage{At: e.at, Client: client, r: r, e: e, c: newConn(e, up, o)}, ""
}

// Connected says which address the program's socket has, now that it is connected to At, or
// about to be: made is false then. It may give up before.
func (p *Passage) Connected(own netip.AddrPort, made bool) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	own = netip.AddrPortFrom(own.Addr().Unmap(), own.Port())
	if old := p.e.pending[own]; old != nil { // it never came
		old.reset()
	}
	p.e.announced--
	if p.r.closed {
		p.c.close()
	} else {
		p.e.pending[own] = p.c
		if !made {
			time.AfterFunc(p.r.patience, func() { p.giveUp(own) })
		}
	}
	p.e.settled.Broadcast()
}

// giveUp is for a program that was to be connected to At, and may never be.
func (p *Passage) giveUp(own netip.AddrPort) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.e.pending[own] != p.c {
		return // it has come
	}
	delete(p.e.pending, own)
	p.c.reset()
	p.r.tidy(p.e)
}

// Cancel is for a program that could not be connected to At.
func (p *Passage) Cancel() {
	p.c.reset()
	p.r.settle(p.e)
}

// settle is the end of an announcement of which nothing comes.
func (r *Relay) settle(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.announced--
	e.settled.Broadcast()
	r.tidy(e)
}

// announce returns the entry of a service, which it makes if there is none, and announces
// a program to it.
func (r *Relay) announce(to netip.AddrPort) (e *entry, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e = r.entries[to]; {
	case r.closed, len(r.taps) == 0: // it has ended meanwhile
		return nil, feed.Failed
	case len(r.conns) >= r.limit:
		return nil, feed.Many
	case e != nil:
		e.retired = false
		e.announced++
		return e, ""
	case len(r.entries) >= maxEntries && !r.makeRoom():
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
	e = &entry{to: to, at: own, ln: tcp, pending: map[netip.AddrPort]*conn{}, settled: sync.NewCond(&r.mu), announced: 1}
	r.entries[to], r.real[own] = e, e
	r.running.Go(func() { r.accept(e) })
	return e, ""
}

// makeRoom ends an entry without connections, such as one of a service that has ended: a run
// of tests has hundreds of them. It reports whether there is one. The caller holds r.mu.
func (r *Relay) makeRoom() bool {
	for _, e := range r.entries {
		if e.open == 0 && !e.awaits() {
			e.retired = true
			r.tidy(e)
			return true
		}
	}
	return false
}

// tidy ends what of an entry is not needed any more. The caller holds r.mu.
func (r *Relay) tidy(e *entry) {
	if !e.retired || e.awaits() {
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
		for e.pending[peer] == nil && e.announced > 0 && !r.closed {
			e.settled.Wait() // it may be one of them
		}
		c := e.pending[peer]
		if r.closed {
			c = nil // it was closed
		}
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

// connect connects to a service as the program's socket s would, from the address that it
// is bound to, if it is. It returns the client's address.
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
	own := &socket.Socket{FD: fd, Domain: domain}
	if from.Port() != 0 && !share(s, own, from) {
		return abandon(feed.Address)
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
	if up = tcpConn(fd); up == nil {
		return nil, client, feed.Many
	}
	return up, client, ""
}

// held reports whether a socket has a port, where one to a service at to would come from. A
// socket of which a connect failed, or that was disconnected, shows the port still that it
// had, and has none.
func held(port uint16, to netip.AddrPort) bool {
	domain, at := unix.AF_INET, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	if to.Addr().Is6() {
		domain, at = unix.AF_INET6, netip.AddrPortFrom(netip.IPv6Loopback(), port)
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return true
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	return unotify.NewAddress(domain, at).Bind(fd) != 0
}

// share binds a socket to the address that the program's socket s is bound to: two may have
// it where both allow that, and none listens (socket(7), SO_REUSEADDR). The program's does
// for as long as it takes.
func share(s, own *socket.Socket, at netip.AddrPort) bool {
	if unix.SetsockoptInt(own.FD, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil {
		return false
	}
	before, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEADDR)
	if err != nil {
		return false
	}
	// Others may share it with the program's by SO_REUSEPORT: so they may with this one.
	port, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil || unix.SetsockoptInt(own.FD, unix.SOL_SOCKET, unix.SO_REUSEPORT, port) != nil {
		return false
	}
	if before == 0 {
		if unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil {
			return false
		}
		defer func() { _ = unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0) }() // as it was
	}
	return own.Bind(at) == 0
}
