package bind

import (
	"fmt"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// FreeNow finds that nothing is in the way of a bind any more.
func FreeNow() rule.Rule {
	r := free("nothing has the port any more")
	r.Check = func(f *facts.Facts) []model.Finding {
		if f.Question.Operation != model.Bind || f.Question.Errno == "EADDRNOTAVAIL" {
			return nil
		}
		return []model.Finding{freeNow(f)}
	}
	return r
}

// AddressHere finds that an address which was not there (EADDRNOTAVAIL) is one of
// this machine's.
func AddressHere() rule.Rule {
	r := free("an address that was not there is one of this machine's")
	r.Check = func(f *facts.Facts) []model.Finding {
		if f.Question.Errno != "EADDRNOTAVAIL" || len(f.Targets) == 0 {
			return nil
		}
		ip := f.Targets[0]
		c := model.Finding{
			Sure:    len(f.Unknown) == 0,
			Summary: fmt.Sprintf("%s is an address of this machine, so a bind does not fail with EADDRNOTAVAIL here: that error says that the address is not there, not that the port is in use. Where the program ran, such as in a container, or at that time, it was not.", ip),
			Hint:    "try again, or bind an address that there is where the program runs",
		}
		if name := f.Local[ip.WithZone("")]; name != "" {
			c.Evidence = append(c.Evidence, model.Evidence{
				Kind: model.KindAddress, Text: fmt.Sprintf("interface %s has the address %s", name, ip), Address: &model.Address{IP: ip, Interface: name},
			})
		}
		return []model.Finding{c}
	}
	return r
}

func free(title string) rule.Rule {
	return rule.Rule{
		Code: "free_now", Title: title,
		Last: rule.InSection,
		Show: rule.Show{Told: func(f *facts.Facts, _ bool) bool { return f.Question.Operation == "" }},
	}
}

// freeNow tells that a bind should work, and which sockets have the port all the
// same: at other addresses, or for IPv6 only.
func freeNow(f *facts.Facts) model.Finding {
	c := model.Finding{
		Sure:     len(f.Unknown) == 0,
		Summary:  fmt.Sprintf("Nothing holds port %d any more, so a bind should work now.", f.Question.Port),
		Evidence: model.Facts("no socket has the port: listening, connected, bound or in TIME_WAIT"),
		Hint:     "try again",
	}
	var rows []*sockets.Row
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Local != nil && r.Local.Port == f.Question.Port && (facts.Listens(r) || r.State == "bound") {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return c
	}
	c.Evidence = nil
	for _, r := range rows[:min(len(rows), words.MaxShown)] {
		c.Evidence = append(c.Evidence, words.SocketAs(r, words.Line(f, r)+", "+strings.ToUpper(string(r.Protocol))+": not in the way"))
	}
	r := rows[0]
	c.Summary = fmt.Sprintf("Nothing is in the way of a bind to %s, so it should work now: %s has port %d at %s, which is another address.", subject(f), words.Holder(f, r), f.Question.Port, words.Own(r))
	if f.Question.Protocol != "" && r.Protocol != f.Question.Protocol {
		c.Summary = fmt.Sprintf("Nothing is in the way of a bind to %s by %s, so it should work now: %s has the port by %s.", subject(f), strings.ToUpper(string(f.Question.Protocol)), words.Holder(f, r), strings.ToUpper(string(r.Protocol)))
	}
	return c
}

// subject names what a bind is for.
func subject(f *facts.Facts) string {
	if len(f.Targets) > 0 {
		return words.Endpoint(f, f.Targets[0])
	}
	return fmt.Sprintf("port %d", f.Question.Port)
}
