// Package route decides where an address leads for a program inside: a connect, a
// datagram, and the addresses that the program is shown. A rule about a connect is
// in [Router.Connect].
//
// It reads the tables and asks the kernel; it changes no socket. What follows from
// a verdict, the handler of the system call does.
package route

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Router has the rules of one home.
type Router struct {
	IP4    netip.Addr // the home's address
	Strict bool
	UID    int // of this process
	Kernel *table.Kernel
	Memory *table.Memory
	Owners *table.Owners
	Six    *table.SixPorts
	// Gone is called where a service's socket is looked for in vain.
	Gone func()
}

// Action is what is to be done with an address.
type Action uint8

const (
	// AsIs leaves the address to the kernel.
	AsIs Action = iota
	// Refuse fails the call with the verdict's Errno.
	Refuse
	// Divert leads to the verdict's To, at which nothing listens: the kernel
	// refuses the call.
	Divert
	// Lead leads to the verdict's To, in the home.
	Lead
	// Leave leads out of the home: see the handler of connect.
	Leave
)

// Verdict is what is to be done with the address of a call. To is for Divert and
// Lead, From, the socket's own address, for Lead, Errno for Refuse.
type Verdict struct {
	Do       Action
	To, From netip.AddrPort
	Errno    unix.Errno
}

func refuse(errno unix.Errno) Verdict { return Verdict{Do: Refuse, Errno: errno} }

// Connect decides on a connect to asked. For a socket that is connected, or
// connecting, the kernel does not look at the address, and its own answer stays.
func (r *Router) Connect(s *socket.Socket, asked netip.AddrPort) Verdict {
	local := loopback.IsLocalhost(asked.Addr())
	switch {
	case s.Proto == "":
		// SCTP and the like. That a home has such a socket at all is because
		// it is an overlay, or was made outside.
		if local && s.Connects() && r.Strict {
			return refuse(unix.ECONNREFUSED)
		}
	case local:
		return r.connectLocalhost(s, asked)
	case r.keptFrom(s.Proto, asked):
		if s.Proto != loopback.TCP {
			return refuse(unix.ECONNREFUSED)
		}
		return Verdict{Do: Divert, To: r.nowhere(s)}
	case s.Proto == loopback.TCP && !asked.Addr().Unmap().IsLoopback() && s.Idle():
		return Verdict{Do: Leave}
	}
	return Verdict{}
}

func (r *Router) connectLocalhost(s *socket.Socket, asked netip.AddrPort) Verdict {
	from, err := s.Local()
	if err != nil {
		return refuse(unotify.Number(err))
	}
	to, ok := r.itself(s, asked, from), true
	if !to.IsValid() {
		var errno unix.Errno
		if to, ok, errno = r.destination(s, asked, from); errno != 0 {
			return refuse(errno)
		}
	}
	if s.Domain == unix.AF_INET6 && table.IsIPv6(asked.Addr()) {
		to, ok = r.keepFamily(s, asked, from, to, ok)
	}
	if !ok {
		return Verdict{}
	}
	return Verdict{Do: Lead, To: to, From: from}
}

// Datagram decides on a datagram to asked.
func (r *Router) Datagram(s *socket.Socket, asked netip.AddrPort) Verdict {
	switch {
	case loopback.IsLocalhost(asked.Addr()):
		from, err := s.Local()
		if err != nil {
			return refuse(unotify.Number(err))
		}
		to, ok, errno := r.destination(s, asked, from)
		switch {
		case errno != 0:
			return refuse(errno)
		case ok:
			return Verdict{Do: Lead, To: to, From: from}
		}
	case r.keptFrom(s.Proto, asked):
		return refuse(unix.ECONNREFUSED)
	}
	return Verdict{}
}

// Resolve reports where localhost at a port is for a program inside. from is the
// caller's own address, where it has one. found is false where no process inside
// listens.
func (r *Router) Resolve(proto loopback.Protocol, asked, from netip.AddrPort) (to netip.AddrPort, found bool, err error) {
	if table.IsIPv6(asked.Addr()) {
		if to, found, err = r.resolveSix(proto, asked.Port()); found || err != nil {
			return to, found, err
		}
		if to, found, err = r.clientSix(proto, asked.Port(), from); found || err != nil {
			return to, found, err
		}
	}
	to = netip.AddrPortFrom(r.IP4, asked.Port())
	got, found, err := r.Kernel.Lookup(proto, to)
	if err == nil && !found && socket.IsDatagram(proto) && from.Port() != 0 {
		// A socket that is connected to the caller receives from it only.
		got, found, err = r.Kernel.LookupPair(proto, to, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
	if err != nil {
		return to, false, err
	}
	if found && got.Src.Addr().Unmap() == r.IP4 && r.trusts(&got) {
		return to, true, nil
	}
	if found && socket.IsDatagram(proto) {
		// Clients' sockets are at the wildcard address, ours too.
		return to, r.Memory.Has(got.Cookie), nil
	}
	if r.Owners.Has(table.Address{Proto: proto, At: to}) {
		r.Gone() // it listened, and is gone
	}
	return to, false, nil
}

func (r *Router) resolveSix(proto loopback.Protocol, port uint16) (netip.AddrPort, bool, error) {
	known, ok := r.Six.Real(table.Port{Proto: proto, Port: port})
	if !ok {
		return netip.AddrPort{}, false, nil
	}
	to := table.Loopback6(known.Port)
	got, found, err := r.Kernel.Lookup(proto, to)
	if err != nil || !found || got.Src != to {
		return to, false, err
	}
	if got.Cookie == known.Cookie || known.Multipath {
		return to, true, nil
	}
	return to, r.Memory.Has(got.Cookie), nil
}

// clientSix returns the address of a datagram client inside that has a port of
// ::1, so that its server, at from, can answer it.
func (r *Router) clientSix(proto loopback.Protocol, port uint16, from netip.AddrPort) (netip.AddrPort, bool, error) {
	to := table.Loopback6(port)
	if !socket.IsDatagram(proto) || !from.IsValid() {
		return to, false, nil
	}
	got, found, err := r.Kernel.Lookup(proto, to)
	if err == nil && !found && from.Addr() == netip.IPv6Loopback() {
		got, found, err = r.Kernel.LookupPair(proto, to, from) // connected to the server
	}
	if err != nil || !found || got.Family != unix.AF_INET6 {
		return to, false, err
	}
	return to, r.Memory.Has(got.Cookie) && !got.Src.Addr().Is4In6(), nil
}

// trusts reports whether a socket at the home's address is one that programs
// inside may be led to: theirs, or one of the same user.
func (r *Router) trusts(s *diag.Socket) bool {
	return int(s.UID) == r.UID || r.Owners.IsService(s.Src.Port(), s.Cookie)
}
