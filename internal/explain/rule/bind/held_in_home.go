package bind

import (
	"fmt"
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// HeldInHome finds sockets inside homes. They are in the way of a bind to all
// addresses, and of everything that a program inside the same home calls localhost.
// Whether a message is such a program's cannot be told: then it is not sure, and
// found only where nothing else holds the port.
func HeldInHome() rule.Rule {
	return rule.Rule{
		Code: "held_in_home", Title: "a socket inside a home: in the way of a bind to all addresses, and of any bind inside that home",
		Show: rule.Show{Empty: rule.EmptyAfter, Hint: rule.HintFirst},
		Check: func(f *facts.Facts) []model.Finding {
			h := holdersOf(f)
			wild := len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, netip.Addr.IsUnspecified)
			if len(h.homes) == 0 || !wild && (len(h.held) > 0 || f.Question.Operation == "") {
				return nil
			}
			return []model.Finding{heldInHome(f, h, wild)}
		},
	}
}

func heldInHome(f *facts.Facts, h holders, wild bool) model.Finding {
	c := model.Finding{Sure: wild}
	var names []string
	for _, r := range h.homes {
		names = words.Add(names, f.RowProject(r))
		c.Evidence = append(c.Evidence, words.Socket(f, r))
		c.PIDs = append(c.PIDs, f.PIDs(r)...)
	}
	r := h.homes[0]
	c.Evidence = append(c.Evidence, words.Holders(f, r)...)
	in := fmt.Sprintf("%s has port %d in the home of project %s: ", words.Upper(words.Holder(f, r)), f.Question.Port, words.Join(names))
	if wild {
		c.Summary = in + "a bind to all addresses meets it, and so does any bind inside that home."
		c.Hint = "bind 127.0.0.1 instead of all addresses, or start the program in its own home (lodge run); " + words.HowToStop(f, r)
	} else {
		c.Summary = in + "a program inside that home cannot bind it as well. Outside nothing holds it."
		c.Hint = words.HowToStop(f, r)
	}
	return c
}
