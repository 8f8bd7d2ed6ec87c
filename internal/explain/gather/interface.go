package gather

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/sockets/netif"
)

// localAddresses returns this machine's addresses and their interfaces.
func localAddresses() (map[netip.Addr]string, error) {
	out := make(map[netip.Addr]string)
	list, err := net.Interfaces()
	if err != nil {
		return netif.Interfaces() // no netlink
	}
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					out[ip.Unmap()] = i.Name
				}
			}
		}
	}
	return out, nil
}

// downLink returns the interface that has an address in one network with ip and
// is down, which is why the kernel has no route there. It is "" where none is.
func downLink(ip netip.Addr) string {
	list, err := net.Interfaces()
	if err != nil {
		return "" // no netlink
	}
	for _, i := range list {
		if i.Flags&net.FlagUp != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.Contains(ip.AsSlice()) {
				return i.Name
			}
		}
	}
	return ""
}

// isLoDown reports whether the loopback interface is there and not up.
func isLoDown() bool {
	i, err := interfaceFlags("lo")
	return err == nil && i&unix.IFF_UP == 0
}

func interfaceFlags(name string) (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }() // only asked
	r, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
		return 0, err
	}
	return r.Uint16(), nil
}
