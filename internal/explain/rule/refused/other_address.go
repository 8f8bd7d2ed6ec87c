package refused

import (
	"fmt"
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// OtherAddress finds a server that listens on another address of this machine.
func OtherAddress() rule.Rule {
	return rule.Rule{
		Code: "listens_on_other_address", Title: "a socket listens on another address",
		Never: rule.Unreachable(),
		Show:  rule.Show{Empty: rule.EmptyAlone},
		Check: func(f *facts.Facts) []model.Finding {
			addresses := shut(f)
			others := elsewhereOf(f, addresses[0]).others
			if len(others) == 0 {
				return nil
			}
			return []model.Finding{otherAddress(f, addresses, others)}
		},
	}
}

func otherAddress(f *facts.Facts, shut []netip.Addr, others []*sockets.Row) model.Finding {
	c := model.Finding{Sure: true}
	var at []string
	for _, r := range others {
		at = words.Add(at, words.Own(r))
		c.Evidence = append(c.Evidence, words.Socket(f, r))
	}
	r, ip := others[0], shut[0]
	c.Evidence = append(c.Evidence, words.Holders(f, r)...)
	c.Summary = fmt.Sprintf("Nobody listens on %s: the server, %s, listens only on %s.", words.Endpoint(f, ip), words.Holder(f, r), words.Join(at))
	own, at0 := r.Local.IP.Unmap(), words.Dial(r)
	local := own.IsLoopback() || own.IsUnspecified()
	switch {
	case own.Is4() && local && ip.Is6():
		c.Hint = fmt.Sprintf("connect to %s (`localhost` may mean ::1 first), or make the server listen on ::1 too", at0)
	case own.Is6() && ip.Is4():
		c.Hint = fmt.Sprintf("connect to %s, or make the server listen on IPv4 too (such as --host 127.0.0.1)", at0)
	case !local && ip.IsLoopback():
		c.Hint = fmt.Sprintf("connect to %s, or make the server listen on 127.0.0.1", at0)
	case local && !ip.IsLoopback():
		c.Hint = fmt.Sprintf("connect to %s from this machine; to let others in, make the server listen on %s", at0, ip)
	default:
		c.Hint = "connect to " + at0
	}
	if len(shut) > 1 && f.SameName() && len(f.Targets) > 0 {
		c.Evidence = append(c.Evidence, model.Evidence{
			Kind: model.KindName, Text: fmt.Sprintf("tried: %s", words.Join(words.Strs(shut))), Name: &model.Name{Host: f.Question.Name, Addresses: shut},
		})
	}
	return c
}
