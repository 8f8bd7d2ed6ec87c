package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Remote is a target that is not this machine, where only this machine may be
// probed. Nothing was sent to it.
type Remote struct {
	Host string
	IP   netip.Addr
}

func (e *Remote) Error() string {
	if e.Host == e.IP.String() {
		return e.Host + " is not this machine"
	}
	return fmt.Sprintf("%s is not this machine: it is %s", e.Host, e.IP)
}

// Network is what a probe has of the machine; the zero value is the real one.
type Network struct {
	// Lookup returns a name's addresses, in the order in which programs try them.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Own returns the addresses that this machine has.
	Own func() ([]netip.Addr, error)
	// Dial connects to an address: never a name, so that what was checked is
	// what is reached.
	Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)
}

func (n Network) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if n.Dial != nil {
		return n.Dial(ctx, network, to)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, to.String())
}

// resolve returns the target's addresses. Unless remote is set, all of them must
// be this machine's: a name that leads elsewhere is refused before a packet is
// sent there. A name other than localhost may be asked of a DNS server.
func (n Network) resolve(ctx context.Context, t Target, remote bool) ([]netip.Addr, error) {
	ips, err := n.addresses(ctx, t.Host)
	if err != nil {
		return nil, err
	}
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	ips = unique(ips)
	if remote {
		return ips, nil
	}
	own := n.Own
	if own == nil {
		own = interfaceAddresses
	}
	for _, ip := range ips {
		if ip.IsLoopback() || ip.IsUnspecified() {
			continue // connecting to 0.0.0.0 or :: means localhost (Linux, ip(7))
		}
		mine, err := own()
		if err != nil {
			return nil, fmt.Errorf("list this machine's addresses: %w", err)
		}
		if !slices.Contains(mine, ip.WithZone("")) {
			return nil, &Remote{Host: t.Host, IP: ip}
		}
	}
	return ips, nil
}

func (n Network) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	lookup := n.Lookup
	if lookup == nil {
		lookup = systemLookup
	}
	ips, err := lookup(ctx, host)
	if err != nil {
		var de *net.DNSError
		if errors.As(err, &de) && de.IsNotFound {
			return nil, fmt.Errorf("find %s: no such name", host)
		}
		return nil, fmt.Errorf("find %s: %w", host, err)
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("find %s: the name has no address", host)
	}
	return ips, nil
}

// systemLookup asks as programs do, but answers for localhost and the names
// below it without asking a DNS server (RFC 6761, section 6.3): from the hosts
// file, or else with both loopback addresses.
func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if !isLocalhostName(host) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	filesOnly := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("not asked")
	}}
	if ips, err := filesOnly.LookupNetIP(ctx, "ip", host); err == nil && len(ips) > 0 {
		if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
			return bothFamilies(ips), nil
		}
		return ips, nil
	}
	return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, ctx.Err()
}

// bothFamilies adds the loopback address of the family that the hosts file has
// none of for localhost: browsers and curl try it, too.
func bothFamilies(ips []netip.Addr) []netip.Addr {
	for _, ip := range []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})} {
		if !slices.ContainsFunc(ips, func(have netip.Addr) bool { return have.Unmap().Is4() == ip.Is4() }) {
			ips = append(ips, ip)
		}
	}
	return ips
}

func isLocalhostName(host string) bool {
	h := strings.ToLower(strings.TrimSuffix(host, "."))
	return h == "localhost" || strings.HasSuffix(h, ".localhost")
}

func interfaceAddresses() ([]netip.Addr, error) {
	as, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var ips []netip.Addr
	for _, a := range as {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			ips = append(ips, p.Addr().Unmap())
		}
	}
	return ips, nil
}

// unique keeps the first of each address, in order.
func unique(ips []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

// family is "ipv4" or "ipv6".
func family(ip netip.Addr) string {
	if ip.Is4() {
		return "ipv4"
	}
	return "ipv6"
}
