package netif

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Read reads the interfaces of the network namespace that the calling
// thread is in (rtnetlink(7)).
func Read() (Addresses, error) {
	links, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil && diag.Refuses(err) {
		return readWithoutNetlink()
	}
	if err != nil {
		return Addresses{}, fmt.Errorf("read interfaces: %w", err)
	}
	addrs, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return Addresses{}, fmt.Errorf("read addresses: %w", err)
	}
	return parse(links, addrs)
}

// parse reads the answers to RTM_GETLINK and RTM_GETADDR.
func parse(links, addrs []byte) (Addresses, error) {
	s := Addresses{local: make(map[netip.Addr]bool), names: make(map[int]string)}
	err := routeMessages(links, syscall.RTM_NEWLINK, syscall.SizeofIfInfomsg, func(head []byte, kind uint16, value []byte) {
		if kind == syscall.IFLA_IFNAME && len(value) > 1 {
			s.names[int(binary.NativeEndian.Uint32(head[4:]))] = string(value[:len(value)-1])
		}
	})
	if err != nil {
		return Addresses{}, fmt.Errorf("read interfaces: %w", err)
	}
	// A point-to-point interface has its own address as the local one and its
	// peer's as the other; else both are the same.
	err = routeMessages(addrs, syscall.RTM_NEWADDR, syscall.SizeofIfAddrmsg, func(head []byte, kind uint16, value []byte) {
		v6 := head[0] == syscall.AF_INET6
		if kind == syscall.IFA_LOCAL || kind == syscall.IFA_ADDRESS && v6 {
			if ip, ok := netip.AddrFromSlice(value); ok {
				s.local[ip.Unmap()] = loopback.IsContainerBridge(s.names[int(binary.NativeEndian.Uint32(head[4:]))])
			}
		}
	})
	if err != nil {
		return Addresses{}, fmt.Errorf("read addresses: %w", err)
	}
	return s, nil
}

// routeMessages returns each attribute of each message of a kind to f, with the
// head that stands before the attributes.
func routeMessages(b []byte, kind uint16, headLen int, f func(head []byte, kind uint16, value []byte)) error {
	for len(b) >= diag.HeaderLen {
		n := int(binary.NativeEndian.Uint32(b))
		if n < diag.HeaderLen || n > len(b) {
			return diag.ErrShort
		}
		switch binary.NativeEndian.Uint16(b[4:]) {
		case syscall.NLMSG_DONE:
			return nil
		case kind:
			body := b[diag.HeaderLen:n]
			if len(body) < headLen {
				return diag.ErrShort
			}
			if err := diag.Attributes(body[headLen:], func(k uint16, value []byte) { f(body[:headLen], k, value) }); err != nil {
				return err
			}
		}
		b = b[min(diag.Align4(n), len(b)):]
	}
	return nil
}
