package homes

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// address6 makes the netlink form of a home's IPv6 address: a /128 that is
// usable at once (no duplicate address detection) and makes no route beyond
// itself. Its preferred lifetime is zero, so that no program on the machine
// gets it as its source unless it asks for it or talks to it (RFC 6724,
// section 5, rules 1 and 3).
func address6(ip6 netip.Addr) *netlink.Addr {
	return &netlink.Addr{
		IPNet:       &net.IPNet{IP: ip6.AsSlice(), Mask: net.CIDRMask(128, 128)},
		Flags:       unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE,
		ValidLft:    forever,
		PreferedLft: 0,
	}
}

// forever is the kernel's INFINITY_LIFE_TIME (linux/addrconf.h), in seconds.
const forever = math.MaxUint32

// addAddress6 puts ip6 on lo. It is not an error if it is there.
func addAddress6(ip6 netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("add address %s: find lo: %w", ip6, err)
	}
	if err := netlink.AddrAdd(lo, address6(ip6)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add address %s to lo: %w", ip6, err)
	}
	return nil
}

// removeAddress6 takes ip6 off lo. It is not an error if it is not there.
func removeAddress6(ip6 netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("remove address %s: find lo: %w", ip6, err)
	}
	if err := netlink.AddrDel(lo, address6(ip6)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("remove address %s from lo: %w", ip6, err)
	}
	return nil
}

// homeAddresses6 lists the addresses on lo that are those of homes, also of
// homes that are gone.
func homeAddresses6() ([]netip.Addr, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("list addresses: find lo: %w", err)
	}
	all, err := netlink.AddrList(lo, netlink.FAMILY_V6)
	if err != nil {
		return nil, fmt.Errorf("list addresses of lo: %w", err)
	}
	var out []netip.Addr
	for _, a := range all {
		ip, ok := netip.AddrFromSlice(a.IP)
		if ones, _ := a.Mask.Size(); ok && ones == 128 && loopback.Home6Range.Contains(ip) {
			out = append(out, ip)
		}
	}
	return out, nil
}
