package seccomphome

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Endpoints lists who listens in the home, as the kernel's socket table says.
// A socket belongs to the service that was seen to bind it or to make it
// listen, and only that very socket does: another one at the same address is
// listed without a service, unless it is another user's. An IPv6-only socket is
// shown with the port that its program asked for; where it really is stands in
// RealPort. What only Hold keeps open is not listed, nor are clients' UDP
// sockets at the wildcard address.
func (h *Home) Endpoints() ([]loopback.Endpoint, error) {
	var out []loopback.Endpoint
	here := make(map[uint64]bool) // by cookie
	// Several sockets can share one address (SO_REUSEPORT).
	places := make(map[endKey]int)
	// What starts to listen while the kernel's list is read may not be in it.
	h.mu.Lock()
	before := maps.Clone(h.bound)
	h.mu.Unlock()
	for _, q := range []struct {
		proto  loopback.Protocol
		states uint32
	}{{loopback.TCP, diag.Listening}, {loopback.UDP, 1 << diag.StateClose}} {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			list, err := h.conn.Dump(q.proto, family, q.states)
			if err != nil {
				return nil, fmt.Errorf("list endpoints of home %s: %w", h.spec.ID, err)
			}
			for i := range list {
				key := endKey{q.proto, list[i].Src}
				if !h.isHere(q.proto, key.at) {
					continue
				}
				here[list[i].Cookie] = true
				e, ok := h.endpoint(key, &list[i])
				if !ok {
					continue
				}
				at, again := places[key]
				switch {
				case !again:
					places[key] = len(out)
					out = append(out, e)
				case out[at].Service == "" && e.Service != "":
					out[at] = e
				}
			}
		}
	}
	h.forgetGone(before, here)
	slices.SortFunc(out, func(a, b loopback.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol), a.IP.Compare(b.IP))
	})
	return out, nil
}

func (h *Home) endpoint(key endKey, s *diag.Socket) (loopback.Endpoint, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key.proto == loopback.TCP && h.away[key.at] {
		return loopback.Endpoint{}, false
	}
	service, ours := h.ownerOf(key, s.Cookie)
	if !ours && (int(s.UID) != h.uid || pureSix(key.at.Addr())) {
		return loopback.Endpoint{}, false
	}
	e := loopback.Endpoint{
		Protocol: key.proto, IP: key.at.Addr().Unmap(), Port: key.at.Port(), Service: service,
		Inode: s.Inode, Owner: loopback.OwnedBy(s.UID),
	}
	if asked := h.sixReal[portKey{key.proto, e.Port}]; pureSix(key.at.Addr()) && asked != 0 && asked != e.Port {
		e.Port, e.RealPort = asked, e.Port
	}
	return e, true
}

// forgetGone drops what the tables say of sockets that are not there any more.
// An IPv6-only socket that has not listened yet is not in the kernel's list, nor
// is one that is connected, for UDP, or was shut down, for TCP.
func (h *Home) forgetGone(before map[endKey][]ownSocket, here map[uint64]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := make(map[uint64]bool)
	for key, list := range before {
		// A UDP socket that is connected leaves the list and stays bound.
		for _, o := range list {
			if key.proto == loopback.TCP && !here[o.cookie] {
				gone[o.cookie] = true
			}
		}
	}
	if len(gone) > 0 {
		h.disown(func(o ownSocket) bool { return gone[o.cookie] })
	}
	for key, at := range h.six {
		real := endKey{key.proto, sixAddr(at.port)}
		switch {
		case slices.ContainsFunc(h.bound[real], func(o ownSocket) bool { return here[o.cookie] }):
			at.listened = true
			h.six[key] = at
		case at.listened && !isBound(key.proto, real.at):
			delete(h.six, key)
			delete(h.sixReal, portKey{key.proto, at.port})
		}
	}
}

// isBound reports whether some socket is bound to an address, in whatever state.
func isBound(proto loopback.Protocol, at netip.AddrPort) bool {
	typ := unix.SOCK_STREAM
	if proto == loopback.UDP {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET6, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return false
	}
	return unotify.NewAddress(unix.AF_INET6, at).Bind(fd) == unix.EADDRINUSE
}
