package localapi

import (
	"net/netip"

	"lodge/internal/sockets/holders"
)

// Homes returns the homes of projects, for a search for the holders of sockets. An
// address that is none is left out.
func Homes(ps []Project) []holders.Home {
	homes := make([]holders.Home, 0, len(ps))
	for _, p := range ps {
		h := holders.Home{Project: p.Shown(), ID: p.ID, Mark: p.Mark, Keeper: p.KeeperPID}
		for _, s := range p.Services {
			h.Services = append(h.Services, s.Name)
			for _, e := range s.Endpoints {
				if e.RealPort != 0 {
					h.Moved = append(h.Moved, holders.Moved{Protocol: e.Protocol, Port: e.Port, Real: e.RealPort})
				}
			}
		}
		h.IP4, _ = netip.ParseAddr(p.Home)
		if p.Home6 != "" {
			h.IP6, _ = netip.ParseAddr(p.Home6)
		}
		if h.IP4.IsValid() || h.IP6.IsValid() {
			homes = append(homes, h)
		}
	}
	return homes
}
