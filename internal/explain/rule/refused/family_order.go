package refused

import (
	"fmt"
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// FamilyOrder finds a name that means an address where no socket listens before one
// where a socket does (RFC 6724).
func FamilyOrder() rule.Rule {
	return rule.Rule{
		Code: "family_order", Title: "a name means first an address where no socket listens, and then one where a socket does",
		Show: rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			ends := rule.EndsOf(f)
			if len(ends.Shut) == 0 || len(ends.Open) == 0 || f.Resolution == nil {
				return nil
			}
			order := f.Resolution.Addresses
			if len(order) == 0 {
				order = ends.To
			}
			if first := order[0].Unmap(); !f.IsLocal(first) || len(f.Listeners(first)) > 0 {
				return nil
			}
			return []model.Finding{familyOrder(f, order, ends.Open)}
		},
	}
}

func familyOrder(f *facts.Facts, order, open []netip.Addr) model.Finding {
	first := order[0]
	c := model.Finding{
		Sure:    true,
		Summary: fmt.Sprintf("%s means %s first, and nobody listens there: the server listens on %s. Programs that try only the first address fail.", f.Question.Name, first, words.Join(words.Strs(open))),
		Hint:    fmt.Sprintf("write %s instead of %s, or make the server listen on %s too", words.Endpoint(f, open[0]), f.Question.Name, first),
	}
	name := model.Name{Host: f.Question.Name, Addresses: order, Source: f.Resolution.Source}
	say := func(text string) {
		c.Evidence = append(c.Evidence, model.Evidence{Kind: model.KindName, Text: text, Name: &name})
	}
	say(fmt.Sprintf("%s: %s (%s)", f.Question.Name, words.Join(words.Strs(order)), f.Resolution.Source))
	for _, l := range f.Resolution.Lines {
		say("hosts file: " + l)
	}
	for _, r := range f.Listeners(open[0]) {
		c.Evidence = append(c.Evidence, words.Socket(f, r))
	}
	return c
}
