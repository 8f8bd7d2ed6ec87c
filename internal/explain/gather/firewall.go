package gather

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
)

// filterTargets are the addresses for which the firewall is asked.
func filterTargets(f *facts.Facts) []netip.Addr {
	if !f.Question.HasPort || f.Question.Port == 0 || f.Question.Operation == input.Bind {
		return nil
	}
	return f.ConnectTo()
}

// connection is what the firewall is asked about.
func connection(f *facts.Facts, ip netip.Addr) firewall.Connection {
	c := firewall.Connection{
		Protocol: unix.IPPROTO_TCP, Dst: ip, DstPort: f.Question.Port,
		UID: f.UID, GID: uint32(os.Getegid()), Local: f.IsLocal(ip), LoIndex: 1,
	}
	if f.Protocol() == loopback.UDP {
		c.Protocol = unix.IPPROTO_UDP
	}
	if k := f.Kernel; k.EphemeralLast > 0 {
		c.SrcPort = k.EphemeralFirst + (k.EphemeralLast-k.EphemeralFirst)/2
	}
	switch {
	case ip.Is4() && ip.IsLoopback():
		c.Src = facts.Loopback4 // lo's first address (inet_select_addr)
	case c.Local:
		c.Src = ip
	}
	return c
}
