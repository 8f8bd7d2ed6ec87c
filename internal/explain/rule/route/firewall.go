package route

import (
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/firewall"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// Firewall finds the rules of nftables and iptables that stop connections.
func Firewall() rule.Rule {
	return rule.Rule{
		Code: "firewall", Title: "a rule of nftables or iptables drops, refuses, redirects or queues connections",
		Weight: rule.OnErrors(2, append(rule.Unreachable(), "EACCES", "ETIMEDOUT")...),
		Show:   rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			var out []model.Finding
			for _, ip := range f.ConnectTo() {
				for _, x := range f.Filter[ip].Findings {
					if !x.Sure && f.Question.Errno != "ETIMEDOUT" && f.Question.Errno != "EACCES" {
						continue // a rule that may match matters only where something fails
					}
					out = append(out, filtered(f, ip, x))
				}
			}
			return model.Distinct(out)
		},
	}
}

func filtered(f *facts.Facts, ip netip.Addr, x firewall.Finding) model.Finding {
	c := model.Finding{Sure: x.Sure}
	what := map[firewall.Outcome]string{
		firewall.Drop:     "drops connections to %s without a word, so they time out",
		firewall.Reject:   "refuses connections to %s",
		firewall.Redirect: "sends connections to %s somewhere else",
		firewall.Queue:    "hands connections to %s to a program that decides",
	}[x.Outcome]
	may := "A firewall rule "
	if !x.Sure {
		may = "A firewall rule that may apply "
	}
	if x.Reply {
		what = strings.Replace(what, "connections to", "the answers from", 1)
	}
	c.Summary = may + fmt.Sprintf(what, words.Endpoint(f, ip)) + "."
	r := ruleOf(x)
	say := func(text string) {
		c.Evidence = append(c.Evidence, model.Evidence{Kind: model.KindRule, Text: text, Rule: &r})
	}
	say("chain " + x.Chain + " (at " + x.Hook + ")")
	say("rule " + x.Rule)
	if x.Comment != "" {
		say("its comment says: " + x.Comment)
	}
	if x.Delete != "" {
		c.Hint = "to take the rule away: " + x.Delete
	}
	return c
}

// ruleOf returns a rule in fields. A chain is named as nft(8) does, by family, table
// and chain.
func ruleOf(x firewall.Finding) model.Rule {
	r := model.Rule{Chain: x.Chain, Hook: x.Hook, Text: x.Rule, Comment: x.Comment}
	if at := strings.Fields(x.Chain); len(at) == 3 {
		r.Family, r.Table, r.Chain = at[0], at[1], at[2]
	}
	return r
}
