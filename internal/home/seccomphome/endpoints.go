package seccomphome

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Endpoints lists what listens in the home, as the kernel's socket table has it.
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
	places := make(map[table.Address]int)
	// What starts to listen while the kernel's list is read may not be in it.
	before := h.owners.Snapshot()
	for _, q := range diag.Servers() {
		list, err := h.kernel.Dump(q.Protocol, q.Family, q.States)
		if err != nil {
			return nil, fmt.Errorf("list endpoints of home %s: %w", h.spec.ID, err)
		}
		for i := range list {
			key := table.Address{Proto: q.Protocol, At: list[i].Src}
			if !h.router.IsHere(q.Protocol, key.At) {
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
	h.forgetGone(before, here)
	slices.SortFunc(out, func(a, b loopback.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol), a.IP.Compare(b.IP))
	})
	return out, nil
}

// endpoint describes a socket at an address of the home. ok is false for one that
// is not listed.
func (h *Home) endpoint(key table.Address, s *diag.Socket) (e loopback.Endpoint, ok bool) {
	if h.holds.IsAway(key) {
		return loopback.Endpoint{}, false
	}
	service, ours := h.owners.Of(key, s.Cookie)
	if !ours && (int(s.UID) != h.router.UID || table.IsIPv6(key.At.Addr())) {
		return loopback.Endpoint{}, false
	}
	e = loopback.Endpoint{
		Protocol: key.Proto, IP: key.At.Addr().Unmap(), Port: key.At.Port(), Service: service,
		Inode: s.Inode, Owner: loopback.OwnedBy(s.UID),
	}
	if table.IsIPv6(key.At.Addr()) {
		if asked, _ := h.six.Asked(key.Proto, e.Port); asked != 0 && asked != e.Port {
			e.Port, e.RealPort = asked, e.Port
		}
	}
	return e, true
}

// forgetGone drops what the tables have of sockets that are not there any more.
// A UDP socket that is connected leaves the kernel's list and stays bound, so only
// those of TCP are dropped.
func (h *Home) forgetGone(before map[table.Address][]table.Owner, here map[uint64]bool) {
	gone := make(map[uint64]bool)
	for key, list := range before {
		for _, o := range list {
			if key.Proto == loopback.TCP && !here[o.Cookie] {
				gone[o.Cookie] = true
			}
		}
	}
	if len(gone) > 0 {
		h.owners.Drop(func(o table.Owner) bool { return gone[o.Cookie] })
	}
	h.six.Prune(func(real table.Address) bool { return h.owners.Any(real, here) }, isBound)
}

// isBound reports whether some socket is bound to an address, in whatever state.
func isBound(key table.Address) bool {
	typ := unix.SOCK_STREAM
	if key.Proto == loopback.UDP {
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
	return unotify.NewAddress(unix.AF_INET6, key.At).Bind(fd) == unix.EADDRINUSE
}
