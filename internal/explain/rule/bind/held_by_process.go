package bind

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/loopback"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// HeldByProcess finds the sockets that listen on the port, or are bound to it.
func HeldByProcess() rule.Rule {
	r := held("a socket of another process listens on the port, or is bound to it")
	r.Check = func(f *facts.Facts) []model.Finding { return Held(f, holdersOf(f).held) }
	return r
}

// ConnectionLeft finds a connection of a server that does not listen any more: such
// as one that a child or a worker of it still has.
func ConnectionLeft() rule.Rule {
	r := held("a connection of a server that does not listen any more")
	r.Check = func(f *facts.Facts) []model.Finding {
		rows := holdersOf(f).left
		if len(rows) == 0 {
			return nil
		}
		r := rows[0]
		c := model.Finding{
			Sure:    true,
			Summary: fmt.Sprintf("Nobody listens on the port any more, but %s still has a connection on it, which is in the way of a server that does not set SO_REUSEADDR.", words.Holder(f, r)),
			Hint:    words.HowToStop(f, r),
		}
		for _, r := range rows[:min(len(rows), 5)] {
			c.Evidence = append(c.Evidence, words.Socket(f, r))
			c.PIDs = append(c.PIDs, f.PIDs(r)...)
		}
		return []model.Finding{c}
	}
	return r
}

func held(title string) rule.Rule {
	return rule.Rule{
		Code: "held_by_process", Title: title,
		Show: rule.Show{Empty: rule.EmptyAfter, Hint: rule.HintFirst, Told: func(_ *facts.Facts, rows bool) bool { return rows }},
	}
}

// Held tells of sockets that hold a port, or the path of a Unix socket.
func Held(f *facts.Facts, rows []*sockets.Row) []model.Finding {
	var out []model.Finding
	for _, r := range rows {
		c := model.Finding{Sure: true, PIDs: f.PIDs(r)}
		verb := "listens on"
		if r.State == "bound" && r.Protocol == loopback.TCP {
			verb = "has bound (and does not listen on)"
		} else if r.State == "bound" {
			verb = "has bound"
		}
		c.Summary = fmt.Sprintf("%s already %s %s.", words.Upper(words.Holder(f, r)), verb, words.Own(r))
		if f.Question.Protocol == "" && r.Protocol == loopback.UDP {
			c.Summary = fmt.Sprintf("%s already %s %s, by UDP.", words.Upper(words.Holder(f, r)), verb, words.Own(r))
		}
		c.Evidence = words.Holders(f, r)
		c.Hint = words.HowToStop(f, r)
		if s := words.Inherited(f, r); s != "" {
			c.Summary = strings.TrimSuffix(c.Summary, ".") + ". " + words.Upper(s) + "."
			c.Evidence = append(c.Evidence, words.SocketAs(r, s))
		}
		if n := slices.IndexFunc(out, func(o model.Finding) bool { return slices.Equal(o.PIDs, c.PIDs) && len(c.PIDs) > 0 }); n >= 0 {
			// One program that listens on IPv4 and IPv6 is one cause.
			out[n].Summary = strings.TrimSuffix(out[n].Summary, ".") + " and " + words.Own(r) + "."
			continue
		}
		out = append(out, c)
	}
	return out
}
