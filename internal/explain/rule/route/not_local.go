package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/loopback"
	"lodge/internal/model"
)

// NotLocal finds that an address which a connection goes to is not this machine's.
func NotLocal() rule.Rule {
	r := notLocal()
	r.Check = func(f *facts.Facts) []model.Finding {
		var out []model.Finding
		for _, a := range awayOf(f) {
			if _, elsewhere := f.Namespaces[a.ip]; !elsewhere {
				x := foreign(f, a.ip, model.Connect)
				x.Order = a.order
				out = append(out, x)
			}
		}
		return out
	}
	return r
}

// NotLocalToBind finds that an address which a bind is for is not this machine's.
func NotLocalToBind() rule.Rule {
	r := notLocal()
	r.Check = func(f *facts.Facts) []model.Finding {
		if f.Question.Errno != "EADDRNOTAVAIL" && f.Question.Operation != model.Bind {
			return nil
		}
		var out []model.Finding
		for _, ip := range f.Targets {
			if !f.IsLocal(ip) {
				out = append(out, foreign(f, ip, model.Bind))
			}
		}
		return out
	}
	return r
}

func notLocal() rule.Rule {
	return rule.Rule{
		Code: "not_local", Title: "no interface has the address",
		Weight: rule.OnErrors(2, "EADDRNOTAVAIL"),
		Show:   rule.Show{Empty: rule.EmptyAlone},
	}
}

func foreign(f *facts.Facts, ip netip.Addr, op model.Operation) model.Finding {
	b := loopback.BlockOf(ip)
	c := model.Finding{Operation: op, Sure: true}
	say := func(text string) {
		c.Evidence = append(c.Evidence, model.Evidence{Kind: model.KindAddress, Text: text, Address: &model.Address{IP: ip, Block: b.Prefix.String()}})
	}
	switch {
	case ip.IsLoopback():
		c.Summary = fmt.Sprintf("This machine has no %s: IPv6 is switched off on its loopback interface.", ip)
		say("the interface lo does not have the address")
		c.Hint = "use 127.0.0.1, or: sysctl -w net.ipv6.conf.lo.disable_ipv6=0"
		return c
	case op == model.Bind:
		c.Summary = fmt.Sprintf("%s is not an address of this machine, so no program here can listen on it.", ip)
		c.Hint = "listen on 127.0.0.1, or on one of the machine's own: " + ownAddresses(f, ip.Is4())
	default:
		c.Summary = fmt.Sprintf("%s is another machine's address: whether somebody listens there cannot be seen from here.", ip)
		c.Hint = "look on that machine, or connect to one of this machine's: " + ownAddresses(f, ip.Is4())
	}
	say("no interface has it")
	say(fmt.Sprintf("it is in %s (%s, %s)", b.Prefix, b.Name, b.RFC))
	return c
}

// ownAddresses lists this machine's addresses of a family.
func ownAddresses(f *facts.Facts, four bool) string {
	var out []string
	for ip, iface := range f.Local {
		if ip.Is4() == four && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, fmt.Sprintf("%s (%s)", ip, iface))
		}
	}
	slices.Sort(out)
	if len(out) > 6 {
		out = append(out[:6], "…")
	}
	if four {
		out = append(out, "127.0.0.1 (lo)")
	} else if _, ok := f.Local[netip.IPv6Loopback()]; ok {
		out = append(out, "::1 (lo)")
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
