package name

import (
	"fmt"
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// NotHTTP finds that the service does not speak HTTP, or listens on nothing.
func NotHTTP() rule.Rule {
	return rule.Rule{
		Code: "not_http", Title: "a name below localhost of a service that does not speak HTTP",
		Show: rule.Show{Told: always},
		Check: func(f *facts.Facts) []model.Finding {
			n := f.Name
			switch outcomeOf(f) {
			case silent:
				return found(f, "it runs, and there is nothing to connect to; see what it does: "+here(f)+"lodge logs -f "+n.Service.Name)
			case noHTTP:
				hint := ""
				if ports := n.Service.TCPPorts(); len(ports) > 0 {
					hint = fmt.Sprintf("connect to %s:%d", n.HostName, ports[0])
					if n.Unresolved != "" {
						hint = fmt.Sprintf("connect to %s", netip.AddrPortFrom(n.Home, ports[0]))
					}
				}
				return found(f, hint)
			}
			return nil
		},
	}
}
