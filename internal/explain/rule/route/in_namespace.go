package route

import (
	"fmt"
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// InNamespace finds that an address is that of another network namespace of this
// machine, such as a container's.
func InNamespace() rule.Rule {
	return rule.Rule{
		Code: "listens_in_namespace", Title: "the address is one of another network namespace",
		Show: rule.Show{Empty: rule.EmptyAlone},
		Check: func(f *facts.Facts) []model.Finding {
			var out []model.Finding
			for _, a := range awayOf(f) {
				if n, ok := f.Namespaces[a.ip]; ok {
					x := inNamespace(f, a.ip, n)
					x.Order = a.order
					out = append(out, x)
				}
			}
			return out
		},
	}
}

func inNamespace(f *facts.Facts, ip netip.Addr, n sockets.Namespace) model.Finding {
	name := words.SpaceName(n)
	c := model.Finding{Sure: true, Evidence: []model.Evidence{{
		Kind: model.KindAddress, Text: fmt.Sprintf("%s is an address in %s of this machine", ip, name), Address: &model.Address{IP: ip, Namespace: n.Inode},
	}}}
	var reached, others []*sockets.Row
	for i := range f.There {
		r := &f.There[i]
		if r.Namespace != n.Inode {
			continue
		}
		c.Evidence = append(c.Evidence, words.SocketAs(r, words.Line(f, r)+" in "+name))
		if r.Covers(ip) {
			reached = append(reached, r)
		} else {
			others = append(others, r)
		}
	}
	at := netip.AddrPortFrom(ip, f.Question.Port)
	switch {
	case len(reached) > 0:
		c.Summary = fmt.Sprintf("%s is an address in %s of this machine, and %s listens there on %s.", ip, name, words.Holder(f, reached[0]), words.Own(reached[0]))
		c.PIDs, c.Hint = f.PIDs(reached[0]), "a firewall, or a route, may be in the way in that namespace"
	case len(others) > 0:
		r := others[0]
		c.Summary = fmt.Sprintf("Nobody listens on %s: it is an address in %s of this machine, where the server, %s, listens only on %s.", at, name, words.Holder(f, r), words.Own(r))
		c.PIDs = f.PIDs(r)
		c.Hint = fmt.Sprintf("make the server in the container listen on 0.0.0.0, or on %s", ip)
	default:
		c.Summary = fmt.Sprintf("Nobody listens on %s: it is an address in %s of this machine, in which no socket listens on that port.", at, name)
		c.Hint = "start the server there, or correct the port"
	}
	return c
}
