// Package lan finds the address under which this machine is reached from its
// network, and makes a name known there for as long as something is shared.
// It opens no port and serves nothing.
package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/pion/logging"
	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"

	"lodge/internal/loopback"
)

// Address is an address of this machine in a network.
type Address struct {
	IP        netip.Addr // IPv4
	Interface string
	index     int
}

// ErrNone says that this machine is in no network.
var ErrNone = errors.New("this machine has no address in a network")

// Find returns the address that others reach this machine by: that of the
// interface by which it reaches others, or the first there is. want chooses
// another one of this machine's.
func Find(want netip.Addr) (Address, error) {
	all, err := addresses()
	if err != nil {
		return Address{}, fmt.Errorf("find address in the network: %w", err)
	}
	if want.IsValid() {
		i := slices.IndexFunc(all, func(a Address) bool { return a.IP == want.Unmap() })
		if i < 0 {
			return Address{}, fmt.Errorf("find address in the network: %s is none of this machine's: %s", want, list(all))
		}
		return all[i], nil
	}
	if len(all) == 0 {
		return Address{}, fmt.Errorf("find address in the network: %w", ErrNone)
	}
	if out := outgoing(); out.IsValid() {
		if i := slices.IndexFunc(all, func(a Address) bool { return a.IP == out }); i >= 0 {
			return all[i], nil
		}
	}
	return all[0], nil
}

func list(all []Address) string {
	var out []string
	for _, a := range all {
		out = append(out, a.IP.String()+" ("+a.Interface+")")
	}
	if len(out) == 0 {
		return "it has none"
	}
	return strings.Join(out, ", ")
}

// addresses lists the IPv4 addresses of interfaces that are up, bridges of
// containers last.
func addresses() ([]Address, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var near, far []Address
	for _, i := range ifs {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || !p.Addr().Is4() {
				continue
			}
			found := Address{IP: p.Addr(), Interface: i.Name, index: i.Index}
			if loopback.IsContainerBridge(i.Name) || p.Addr().IsLinkLocalUnicast() {
				far = append(far, found)
			} else {
				near = append(near, found)
			}
		}
	}
	return append(near, far...), nil
}

// outgoing returns the address from which a packet to another network would go.
// Connecting a datagram socket sends nothing (connect(2)); the destination is
// one for documentation (RFC 5737).
func outgoing() netip.Addr {
	c, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	ap, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil || ap.Addr().IsLoopback() || loopback.HomeRange.Contains(ap.Addr()) {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// mdnsGroup is where questions for names below .local go (RFC 6762, section 3).
var mdnsGroup = net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

// Name is a name below .local that is answered for.
type Name struct{ conn *mdns.Conn }

// Announce answers questions for name, which ends in .local, by multicast DNS
// (RFC 6762) on the address's interface, until Close.
func Announce(name string, at Address) (*Name, error) {
	ifi, err := net.InterfaceByIndex(at.index)
	if err != nil {
		return nil, fmt.Errorf("announce %s: %w", name, err)
	}
	// Other responders of this machine have the port too: it is shared, as Go
	// does for multicast addresses. The group is joined on the one interface.
	sock, err := net.ListenUDP("udp4", &mdnsGroup)
	if err != nil {
		return nil, fmt.Errorf("announce %s: %w", name, err)
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	conn, err := mdns.NewServer(ipv4.NewPacketConn(sock), nil,
		mdns.WithLocalNames(name), mdns.WithLocalAddress(at.IP.AsSlice()), mdns.WithInterfaces(*ifi), mdns.WithLoggerFactory(quiet))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("announce %s: %w", name, err), sock.Close())
	}
	return &Name{conn}, nil
}

// Close stops answering.
func (n *Name) Close() error { return n.conn.Close() }
