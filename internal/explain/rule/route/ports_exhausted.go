package route

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// PortsExhausted finds that connections to one address have used up the ports.
func PortsExhausted() rule.Rule {
	return rule.Rule{
		Code: "ephemeral_exhausted", Title: "as many connections to the address as there are ports for them",
		Weight: rule.OnErrors(2, "EADDRNOTAVAIL"),
		Show:   rule.Show{Notable: true},
		Check:  exhausted,
	}
}

func exhausted(f *facts.Facts) []model.Finding {
	if f.Kernel.EphemeralLast == 0 {
		return nil
	}
	all := int(f.Kernel.EphemeralLast-f.Kernel.EphemeralFirst) + 1
	for _, r := range f.Kernel.Reserved {
		first, last := max(r.First, f.Kernel.EphemeralFirst), min(r.Last, f.Kernel.EphemeralLast)
		if first <= last {
			all -= int(last-first) + 1
		}
	}
	for _, ip := range f.ConnectTo() {
		used := make(map[uint16]bool)
		waiting := 0
		for i := range f.Rows {
			r := &f.Rows[i]
			if r.Remote != nil && r.Remote.IP.Unmap() == ip && r.Remote.Port == f.Question.Port && r.Protocol == f.Protocol() && f.Kernel.IsEphemeral(r.Local.Port) {
				used[r.Local.Port] = true
				if r.State == "time_wait" {
					waiting++
				}
			}
		}
		if len(used) < all {
			continue
		}
		return []model.Finding{{
			Sure:    true,
			Summary: fmt.Sprintf("All ports for connections to %s are taken: each needs a port of its own at this end.", words.Endpoint(f, ip)),
			Evidence: []model.Evidence{{
				Kind:  model.KindLimit,
				Text:  fmt.Sprintf("%d connections to it, of which %d in TIME_WAIT; ports %d to %d", len(used), waiting, f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast),
				Limit: &model.Limit{Name: "ip_local_port_range", Used: uint64(len(used)), Max: uint64(all)},
			}},
			Hint: "reuse connections (keep-alive, a pool), or widen net.ipv4.ip_local_port_range",
		}}
	}
	return nil
}
