package route

import (
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// LoopbackDown finds that the interface lo is down.
func LoopbackDown() rule.Rule {
	return rule.Rule{
		Code: "loopback_down", Title: "the interface lo is down",
		Weight: rule.OnErrors(2, rule.Unreachable()...),
		Show:   rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			if !f.LoDown || !slices.ContainsFunc(f.ConnectTo(), netip.Addr.IsLoopback) {
				return nil
			}
			return []model.Finding{{
				Sure:     true,
				Summary:  "The loopback interface lo is down in this network namespace, so nothing can be reached at localhost.",
				Evidence: model.Facts("lo lacks the flag UP"),
				Hint:     "bring it up: ip link set lo up",
			}}
		},
	}
}
