package ebpfhome

import (
	"fmt"
	"net/netip"
	"slices"

	"lodge/internal/home"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// reader lists the endpoints of a home.
type reader struct {
	ip4, ip6 netip.Addr // ip6 is the zero Addr where there is none
	conn     *diag.Conn
	groups   *groups
	ports    *ports
	shared   home.Shared[[]loopback.Endpoint]
}

// endpoints asks the kernel for its sockets (sock_diag(7)) and takes those on
// the home's addresses, and the listeners that a process inside never bound.
// An IPv6 socket that serves IPv4 is listed under the IPv4 address. UDP
// sockets that are connected, or on no address, are clients and not listed.
func (r *reader) endpoints() ([]loopback.Endpoint, error) {
	// Many services may be exchanged at once: one reading is enough for all.
	eps, err := r.shared.Do(r.read)
	if err != nil {
		return nil, fmt.Errorf("list endpoints of home %s: %w", r.ip4, err)
	}
	return slices.Clone(eps), nil
}

// listeners returns the service's listening TCP sockets on the home's addresses
// by inode.
func (r *reader) listeners(service string) (map[uint32]netip.AddrPort, error) {
	eps, err := r.endpoints()
	if err != nil {
		return nil, err
	}
	want := make(map[uint32]netip.AddrPort)
	for _, e := range eps {
		if e.Protocol == loopback.TCP && e.Service == service && e.Inode != 0 {
			want[e.Inode] = e.AddrPort()
		}
	}
	return want, nil
}

// isHome reports whether an address is one of the home's.
func (r *reader) isHome(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip == r.ip4 || (r.ip6.IsValid() && ip == r.ip6)
}

func (r *reader) read() ([]loopback.Endpoint, error) {
	services, err := r.groups.services()
	if err != nil {
		return nil, err
	}
	whose := attribution{groups: r.groups, services: services}
	var out []loopback.Endpoint
	seen := map[loopback.Endpoint]bool{}
	for _, q := range diag.Servers() {
		list, err := r.conn.Dump(q.Protocol, q.Family, q.States)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			e, ok, err := r.endpoint(q.Protocol, s, &whose)
			if err != nil {
				return nil, err
			}
			key := e
			key.Inode, key.Owner = 0, loopback.Owner{} // several sockets with SO_REUSEPORT are one endpoint
			if ok && !seen[key] {
				seen[key] = true
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func (r *reader) endpoint(proto loopback.Protocol, s diag.Socket, whose *attribution) (loopback.Endpoint, bool, error) {
	e := loopback.Endpoint{Protocol: proto, IP: s.Src.Addr().Unmap(), Port: s.Src.Port(), Inode: s.Inode, Owner: loopback.OwnedBy(s.UID)}
	isUnbound := proto == loopback.TCP && e.IP.IsUnspecified()
	if !r.isHome(e.IP) && !isUnbound {
		return loopback.Endpoint{}, false, nil
	}
	service, isInside, err := whose.of(&s)
	switch {
	case err != nil:
		return loopback.Endpoint{}, false, err
	case !isUnbound:
	case isInside:
		// On the device lo it is reached by the home's address as well.
		e.IP = r.ip4
		if s.V6Only {
			e.IP = r.ip6
		}
	default:
		return loopback.Endpoint{}, false, nil
	}
	e.Service = service
	if r.ports.holds(e.Inode) {
		return loopback.Endpoint{}, false, nil // kept open for the next process of a service
	}
	return e, true, nil
}
