package facts

import (
	"net/netip"
	"strings"

	"lodge/internal/sockets"
	"lodge/internal/target"
)

// Forward is what a proxy of published ports hands on.
type Forward struct {
	Proxy *sockets.Process
	To    netip.AddrPort
	// Server are the sockets that listen there, in their network namespace.
	Server []sockets.Row
	// Known says that the namespace of the address was found.
	Known bool
	Name  string
}

// ForwardsTo reads the arguments of docker-proxy.
func ForwardsTo(p *sockets.Process) (netip.AddrPort, bool) {
	if p.Name != "docker-proxy" && !strings.HasPrefix(p.Command, "docker-proxy ") && !strings.Contains(p.Command, "/docker-proxy ") {
		return netip.AddrPort{}, false
	}
	var ip netip.Addr
	var port uint16
	var err, err2 error
	args := strings.Fields(p.Command)
	for i := range args[:max(len(args)-1, 0)] {
		switch strings.TrimLeft(args[i], "-") {
		case "container-ip":
			ip, err = netip.ParseAddr(args[i+1])
		case "container-port":
			port, err2 = target.Port(args[i+1])
		}
	}
	return netip.AddrPortFrom(ip, port), err == nil && err2 == nil && ip.IsValid() && port != 0
}

// ForwardOf returns what a holder of a socket hands on, or nil.
func ForwardOf(f *Facts, r *sockets.Row) *Forward {
	for i := range f.Forwards {
		for _, p := range r.Processes {
			if p.PID == f.Forwards[i].Proxy.PID {
				return &f.Forwards[i]
			}
		}
	}
	return nil
}
