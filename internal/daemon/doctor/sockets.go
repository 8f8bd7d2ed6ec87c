package doctor

import (
	"fmt"

	"lodge/internal/localapi"
	"lodge/internal/sockets/diag"
)

// socketCapabilities says from where the sockets of each protocol are read, and
// what is lost where sock_diag is missing.
func socketCapabilities() []localapi.Capability {
	list, err := diag.Sources()
	if err != nil {
		return []localapi.Capability{{Name: "sock_diag", Status: "unknown", Reason: err.Error()}}
	}
	var out []localapi.Capability
	for _, s := range list {
		c := localapi.Capability{Name: "sock_diag " + string(s.Protocol), Status: "yes", Reason: "the kernel tells the sockets (" + s.Module + ")"}
		switch {
		case s.Missing == nil:
		case s.Unreadable != nil:
			c.Status, c.Hint = "no", s.Hint()
			c.Reason = fmt.Sprintf("%v, and %s cannot be read: %v", s.Missing, s.File, s.Unreadable)
		default:
			c.Status, c.Hint = "no", s.Hint()
			c.Reason = fmt.Sprintf("%v; %s is read instead, which does not tell %s", s.Missing, s.File, s.Lost())
		}
		out = append(out, c)
	}
	return out
}
