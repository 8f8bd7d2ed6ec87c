package route

import (
	"fmt"
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// NoRoute finds that no packet can be sent to an address.
func NoRoute() rule.Rule {
	r := noRoute("the kernel has no route to the address, or one that prohibits, drops or marks it unreachable")
	r.Check = func(f *facts.Facts) []model.Finding {
		var out []model.Finding
		for _, a := range awayOf(f) {
			if way, ok := f.Routes[a.ip]; ok && !a.ip.IsLoopback() {
				x := stopped(a.ip, way)
				x.Order = a.order
				out = append(out, x)
			}
		}
		return out
	}
	return r
}

// NoRouteThen finds that there is a route now where a message says that there was
// none.
func NoRouteThen() rule.Rule {
	r := noRoute("the error says that there was no route, and there is one now")
	r.Last = rule.OfAll
	r.Check = func(f *facts.Facts) []model.Finding {
		if len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, func(ip netip.Addr) bool { return !f.IsLocal(ip) }) {
			return nil
		}
		return []model.Finding{{
			Summary: fmt.Sprintf("%s is an address of this machine and packets have a way to it now, so this error (%s) came from elsewhere: a firewall's rule at that time, or a network namespace or container whose lo was down. It does not depend on who listens.", f.Targets[0], f.Question.Errno),
			Hint:    "try again; inside a namespace or container: ip link set lo up",
		}}
	}
	return r
}

func noRoute(title string) rule.Rule {
	return rule.Rule{
		Code: "no_route", Title: title,
		Weight: rule.OnErrors(2, append(rule.Unreachable(), "EACCES")...),
		Show:   rule.Show{Notable: true, Empty: rule.EmptyAlone},
	}
}

// stopped tells why no packet gets to an address.
func stopped(ip netip.Addr, way facts.Route) model.Finding {
	c := model.Finding{Sure: true, Hint: "see which routes there are: ip route; add one, or bring the interface up that leads there"}
	switch way.Type {
	case "prohibit":
		c.Summary = fmt.Sprintf("A route of this machine prohibits connections to %s.", ip)
		c.Hint = "see it: ip route show table all type prohibit; ip rule"
	case "unreachable":
		c.Summary = fmt.Sprintf("A route of this machine marks %s as unreachable.", ip)
		c.Hint = "see it: ip route show table all type unreachable; ip rule"
	case "blackhole":
		c.Summary = fmt.Sprintf("A route of this machine drops what is sent to %s (blackhole).", ip)
		c.Hint = "see it: ip route show table all type blackhole; ip rule"
	default:
		c.Summary = fmt.Sprintf("This machine has no route to %s, so nothing can be sent there.", ip)
	}
	say := func(text string) {
		c.Evidence = append(c.Evidence, model.Evidence{Kind: model.KindRoute, Text: text, Route: &model.Route{IP: ip, Type: way.Type, Interface: way.DownLink}})
	}
	say(fmt.Sprintf("the kernel, asked for the route to %s, says: %s", ip, way.Err))
	if way.DownLink != "" {
		say(fmt.Sprintf("interface %s leads there, and is down", way.DownLink))
		c.Hint = "bring it up: ip link set " + way.DownLink + " up"
	}
	return c
}
