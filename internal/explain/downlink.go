package explain

import (
	"net"
	"net/netip"
)

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
