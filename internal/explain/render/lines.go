package render

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/sockets"
)

// Line is one piece of evidence for people.
type Line struct{ Label, Text string }

// maxListed bounds how many sockets are shown where only an address was given.
const maxListed = 20

// lines are the evidence: sockets and their processes, causes, what the
// address and the port are.
func lines(f *facts.Facts, r *Report) []Line {
	var out []Line
	say := func(label, format string, a ...any) {
		if s := fmt.Sprintf(format, a...); s != "" {
			out = append(out, Line{label, s})
		}
	}
	told := make(map[int]bool)
	var projects []string // that were shown
	most := words.MaxShown
	if !f.Question.HasPort && f.Unix == nil {
		most = maxListed
	}
	show := func(label string, rows []sockets.Row) {
		for i := range rows[:min(len(rows), most)] {
			row := &rows[i]
			say(label, "%s", socketLine(f, row, len(rows) == 1))
			if f.Question.HasPort || f.Unix != nil {
				for _, l := range processLines(f, row, told) {
					if l.Label == "project" && slices.Contains(projects, l.Text) {
						continue
					}
					if l.Label == "project" {
						projects = append(projects, l.Text)
					}
					out = append(out, l)
				}
			}
		}
		if n := len(rows) - most; n > 0 {
			say(label, "and %d more", n)
		}
	}
	about := f.AboutName()
	if f.Name != nil {
		out = append(out, nameLines(f)...)
		if s := f.Name.Service; s != nil {
			projects = append(projects, projectText(f, f.Name.Project, s.Name))
		}
	}
	switch {
	case about && (!f.Name.Up || f.Name.Missing != ""):
	case about && f.Name.Domain == "localhost":
		show("listens", f.Serving)
		out = append(out, throughLine(f)...)
	default:
		show("listens", r.Listeners)
		show("connection", r.Connections)
	}
	out = append(out, servedLine(f, r.Listeners)...)
	out = append(out, keptLines(f)...)
	said := shownEvidence(f, r, most)
	for _, c := range r.found {
		if c.Show.Told != nil && c.Show.Told(f, len(r.Listeners)+len(r.Connections) > 0) {
			continue
		}
		for _, e := range c.Texts() {
			if !said[e] {
				say("evidence", "%s", e)
			}
			said[e] = true
		}
	}
	if f.Unix != nil && f.Unix.Exists {
		say("socket", "%s", words.Describe(f.Unix))
	}
	for i := range r.Also {
		say("also", "%s", r.Also[i].sentence())
	}
	if a := r.Address; a != nil {
		if a.NameMeans != "" {
			say("name", "%s: %s (%s)", a.Name, a.NameMeans, a.NameRFC)
		}
		if len(a.Resolved) > 0 {
			say("resolves", "%s (%s)", strings.Join(words.Strs(a.Resolved), ", then "), a.ResolvedBy)
		}
		if a.IP != nil {
			where := ""
			if a.Interface != "" {
				where = ", on " + a.Interface
			} else if n, ok := space(f, a.IP); ok && !a.Local {
				where = ", in " + words.SpaceName(n) + " of this machine"
			} else if !a.Local {
				where = ", not of this machine"
			}
			say("address", "%s: %s%s; reached %s (%s, %s)", a.IP, a.BlockName, where, a.Reach, a.Block, a.RFC)
		}
	}
	if r.Port != nil {
		say("port", "%s", portLine(f, r.Port))
	}
	for _, u := range r.Unknown {
		say("not seen", "%s", u)
	}
	return out
}

// shownEvidence are the sentences of evidence that the lines of sockets and
// processes say in their own way.
func shownEvidence(f *facts.Facts, r *Report, most int) map[string]bool {
	said := make(map[string]bool)
	if !f.Question.HasPort && f.Unix == nil {
		return said
	}
	for _, rows := range [][]sockets.Row{r.Listeners, r.Connections} {
		for i := range rows[:min(len(rows), most)] {
			said[words.Line(f, &rows[i])] = true
			for _, e := range words.Holders(f, &rows[i]) {
				said[e.Text] = true
			}
		}
	}
	return said
}
