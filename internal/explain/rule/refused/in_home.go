package refused

import (
	"fmt"
	"net/netip"
	"path"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// InHome finds servers that listen on the port inside the homes of projects.
func InHome() rule.Rule {
	return rule.Rule{
		Code: "listens_in_home", Title: "a socket listens in the home of a project that is up",
		Never: rule.Unreachable(),
		Show:  rule.Show{Empty: rule.EmptyAlone},
		Check: func(f *facts.Facts) []model.Finding {
			ip := shut(f)[0]
			homes := elsewhereOf(f, ip).homes
			if len(homes) == 0 {
				return nil
			}
			return []model.Finding{inHomes(f, ip, homes)}
		},
	}
}

func inHomes(f *facts.Facts, ip netip.Addr, homes []*sockets.Row) model.Finding {
	c := model.Finding{Sure: true}
	var names, places []string
	for _, r := range homes {
		if p := f.RowProject(r); !slices.Contains(names, p) {
			names = append(names, p)
			places = append(places, fmt.Sprintf("%s at %s", p, homeOf(f, r)))
		}
		c.Evidence = append(c.Evidence, words.Socket(f, r))
	}
	r := homes[0]
	c.Evidence = append(c.Evidence, words.Holders(f, r)...)
	at := "the home of project " + names[0]
	if r.Service != "" {
		at = "its home"
	}
	c.Summary = fmt.Sprintf("Nobody listens on %s itself. %s has that port inside %s, which is %s.", words.Endpoint(f, ip), words.Upper(words.Holder(f, r)), at, homeOf(f, r))
	if len(names) > 1 {
		if more := len(places) - 4; more > 0 {
			places = append(places[:4:4], words.Count(more, "more", "more"))
		}
		c.Summary = fmt.Sprintf("Nobody listens on %s itself. %d projects have that port, each in its home: %s.", words.Endpoint(f, ip), len(names), words.Join(places))
	}
	c.Hint = fmt.Sprintf("from outside connect to %s", words.Dial(r))
	if p := f.ProjectNamed(names[0]); p != nil {
		c.Hint += fmt.Sprintf("; or go inside: cd %s && lodge exec -- CMD", words.ShellWord(path.Clean(p.Path)))
	}
	return c
}

// homeOf returns the address of the home that a socket is in.
func homeOf(f *facts.Facts, r *sockets.Row) netip.Addr {
	if p := f.ProjectNamed(f.RowProject(r)); p != nil && r.RealPort != 0 {
		return p.Home4
	}
	return r.Local.IP
}
