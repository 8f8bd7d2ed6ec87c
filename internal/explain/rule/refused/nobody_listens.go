package refused

import (
	"fmt"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/loopback"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// NobodyListens finds nothing else: no socket listens on the port.
func NobodyListens() rule.Rule {
	return rule.Rule{
		Code: "nobody_listens", Title: "no socket listens on the port, on any address, in any network namespace that can be seen",
		Never: rule.Unreachable(),
		Last:  rule.InGroup,
		Show:  rule.Show{Hint: rule.HintOnFailure, Told: func(f *facts.Facts, _ bool) bool { return f.Question.Operation == "" }},
		Check: func(f *facts.Facts) []model.Finding { return []model.Finding{nobodyListens(f)} },
	}
}

func nobodyListens(f *facts.Facts) model.Finding {
	ip := shut(f)[0]
	proto := upper(f.Protocol())
	c := model.Finding{
		Sure:     true,
		Summary:  fmt.Sprintf("Nobody listens on %s.", words.Endpoint(f, ip)),
		Evidence: model.Facts(fmt.Sprintf("no %s socket on port %d listens, on any address, in any network namespace that can be seen", proto, f.Question.Port)),
		Hint:     "start the server, or correct the port",
	}
	strange := elsewhereOf(f, ip).strange
	for _, r := range strange[:min(len(strange), words.MaxShown)] {
		c.Evidence = append(c.Evidence, words.SocketAs(r, "in the home of another user's lodge: "+words.Line(f, r)))
	}
	for _, r := range f.Of(facts.Other(f.Protocol()), func(r *sockets.Row) bool { return facts.Listens(r) && r.Covers(ip) }) {
		c.Evidence = append(c.Evidence, words.SocketAs(r, words.Line(f, r)+", "+upper(r.Protocol)))
		c.Summary = fmt.Sprintf("Nobody listens on %s by %s; by %s %s has the port.", words.Endpoint(f, ip), proto, upper(r.Protocol), words.Holder(f, r))
		c.Hint = fmt.Sprintf("use %s, or start the server that is meant", upper(r.Protocol))
		return c
	}
	if n := len(f.At(func(r *sockets.Row) bool { return r.State == "time_wait" })); n > 0 {
		c.Evidence = append(c.Evidence, model.Fact(fmt.Sprintf("%s still in TIME_WAIT: somebody used the port less than a minute ago", words.Count(n, "connection is", "connections are"))))
	}
	if use, ok := loopback.CommonUse(f.Question.Port); ok {
		c.Hint = fmt.Sprintf("start the server (the port is commonly used for %s), or correct the port", use)
	}
	return c
}

func upper(p loopback.Protocol) string { return strings.ToUpper(string(p)) }
