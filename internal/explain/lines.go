package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Line is one piece of evidence for people.
type Line struct{ Label, Text string }

// maxShown bounds how many sockets of a kind are shown; JSON has all.
const (
	maxShown  = 5
	maxListed = 20 // where only an address was given
)

// lines are the evidence: sockets and their processes, causes, what the
// address and the port are.
func (f *Facts) lines(r *Report) []Line {
	var out []Line
	say := func(label, format string, a ...any) {
		if s := fmt.Sprintf(format, a...); s != "" {
			out = append(out, Line{label, s})
		}
	}
	told := make(map[int]bool)
	var projects []string // that were shown
	most := maxShown
	if !f.Question.HasPort && f.Unix == nil {
		most = maxListed
	}
	show := func(label string, rows []sockets.Row) {
		for i := range rows[:min(len(rows), most)] {
			row := &rows[i]
			say(label, "%s", f.socketLine(row, len(rows) == 1))
			if f.Question.HasPort || f.Unix != nil {
				for _, l := range f.processLines(row, told) {
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
	about := f.aboutName()
	if f.Name != nil {
		out = append(out, f.nameLines()...)
		if s := f.Name.Service; s != nil {
			projects = append(projects, f.projectText(f.Name.Project, s.Name))
		}
	}
	switch {
	case about && (!f.Name.Up || f.Name.Missing != ""):
	case about && f.Name.Domain == "localhost":
		show("listens", f.Serving)
		out = append(out, f.throughLine()...)
	default:
		show("listens", r.Listeners)
		show("connection", r.Connections)
	}
	out = append(out, f.servedLine(r.Listeners)...)
	out = append(out, f.keptLines()...)
	said := f.shownEvidence(r, most)
	for _, c := range r.Causes {
		if f.told(r, c) {
			continue
		}
		for _, e := range c.Evidence {
			if !said[e] {
				say("evidence", "%s", e)
			}
			said[e] = true
		}
	}
	if f.Unix != nil && f.Unix.Exists {
		say("socket", "%s", f.Unix.describe())
	}
	for i := range r.Also {
		say("also", "%s", r.Also[i].sentence())
	}
	if a := r.Address; a != nil {
		if a.NameMeans != "" {
			say("name", "%s: %s (%s)", a.Name, a.NameMeans, a.NameRFC)
		}
		if len(a.Resolved) > 0 {
			say("resolves", "%s (%s)", strings.Join(strs(a.Resolved), ", then "), a.ResolvedBy)
		}
		if a.IP != nil {
			where := ""
			if a.Interface != "" {
				where = ", on " + a.Interface
			} else if n, ok := f.space(a.IP); ok && !a.Local {
				where = ", in " + spaceName(n) + " of this machine"
			} else if !a.Local {
				where = ", not of this machine"
			}
			say("address", "%s: %s%s; reached %s (%s, %s)", a.IP, a.BlockName, where, a.Reach, a.Block, a.RFC)
		}
	}
	if r.Port != nil {
		say("port", "%s", f.portLine(r.Port))
	}
	for _, u := range r.Unknown {
		say("not seen", "%s", u)
	}
	return out
}

// shownEvidence are the sentences of evidence that the lines of sockets and
// processes say in their own way.
func (f *Facts) shownEvidence(r *Report, most int) map[string]bool {
	said := make(map[string]bool)
	if !f.Question.HasPort && f.Unix == nil {
		return said
	}
	for _, rows := range [][]sockets.Row{r.Listeners, r.Connections} {
		for i := range rows[:min(len(rows), most)] {
			said[f.line(&rows[i])] = true
			for _, e := range f.about(&rows[i]) {
				said[e] = true
			}
		}
	}
	return said
}

// told reports whether the sockets that are shown say already what a cause's
// evidence says.
func (f *Facts) told(r *Report, c Cause) bool {
	switch c.Code {
	case CloseWait:
		return true
	case HeldByProcess, TimeWait, ListensNow, EphemeralTaken:
		return len(r.Listeners)+len(r.Connections) > 0
	case ServiceDown, ServiceStarting, NoSuchService, NotHTTP, OtherPort:
		return true // the answer and the line of the service do
	case ProcessDied:
		return f.Name != nil && f.Name.Service != nil && f.Name.Service.Ended
	case NobodyListens, FreeNow:
		return f.Question.Operation == ""
	}
	return false
}

// socketLine writes a socket. Who holds the only listener, its process's line
// says.
func (f *Facts) socketLine(row *sockets.Row, only bool) string {
	proto := strings.ToUpper(string(row.Protocol))
	s := ""
	if row.Path == "" {
		s = f.line(row) + ", " + proto
	}
	if row.Path != "" {
		proto = "Unix, " + row.Type
	}
	if listens(row) || row.Path != "" {
		s = f.own(row) + ", " + proto
		if !only || len(row.Processes) == 0 {
			s += ": " + strings.TrimSuffix(f.who(row), ",")
		}
	}
	if row.Remote != nil && row.Peer != nil && len(row.Peer.Processes) > 0 && row.Peer.Inode != row.Inode {
		s += fmt.Sprintf("; at the other end: %s", processes(row.Peer.Processes))
	}
	if row.Backlog != nil && *row.Backlog > 0 {
		s += fmt.Sprintf("; %d", *row.Backlog)
		if row.BacklogLimit != nil {
			s += fmt.Sprintf(" of %d", *row.BacklogLimit)
		}
		s += " connections wait for accept"
	}
	if row.OpenedAt != nil {
		s += "; open since " + since(f.Now, *row.OpenedAt)
	}
	return s
}

// processLines tells of those who hold a socket, each once.
func (f *Facts) processLines(row *sockets.Row, told map[int]bool) []Line {
	var out []Line
	if len(row.Processes) == 0 && listens(row) && row.Closed == nil {
		out = append(out, Line{"process", f.unseenWhy(row)})
	}
	if s := f.inherited(row); s != "" {
		out = append(out, Line{"inherited", s})
	}
	for _, p := range f.shown(row) {
		if told[p.PID] {
			continue
		}
		told[p.PID] = true
		add := func(label, text string) {
			if text != "" {
				out = append(out, Line{label, text})
			}
		}
		text := fmt.Sprintf("%d %s", p.PID, p.Command)
		if p.Command == "" {
			text = fmt.Sprintf("%d %s", p.PID, printable(p.Name))
		}
		if p.User != "" {
			text += ", user " + p.User
		}
		add("process", text)
		add("executable", deleted(p))
		add("forwards", strings.TrimPrefix(forwards(p), "forwards "))
		if p.StartedAt != nil {
			add("since", since(f.Now, *p.StartedAt))
		}
		add("directory", p.Directory)
		add("started by", f.parents(p.PID))
		if row.Project != "" {
			add("project", f.projectText(row.Project, row.Service))
		}
		add("unit", p.Unit)
		if p.Container != "" {
			add("container", short(p.Container))
		} else if p.Unit == "" && p.Cgroup != "/" {
			add("cgroup", p.Cgroup)
		}
	}
	return out
}

// projectText names a service of a project, and where that is.
func (f *Facts) projectText(project, service string) string {
	s := project
	if service != "" {
		s += ", service " + service
	}
	if q := f.named(project); q != nil {
		s += " (home " + q.Home4.String() + ", " + q.Path + ")"
	}
	return s
}

// since writes a time as people read it.
func since(now, at time.Time) string {
	format := "15:04:05"
	if now.Sub(at) > 20*time.Hour {
		format = "2006-01-02 15:04"
	}
	return fmt.Sprintf("%s (%s)", at.Local().Format(format), ago(now.Sub(at)))
}

func (f *Facts) portLine(p *Port) string {
	s := fmt.Sprintf("%d: %s (RFC 6335)", p.Port, classWords(p.Class))
	switch {
	case p.IANAName != "" && p.Description != "":
		s += fmt.Sprintf("; registered as %s, %s", p.IANAName, p.Description)
	case p.IANAName != "":
		s += "; registered as " + p.IANAName
	}
	if p.CommonUse != "" {
		s += "; commonly used for " + p.CommonUse
	}
	switch {
	case p.Reserved:
		s += "; kept out of the range for outgoing connections (ip_local_reserved_ports)"
	case p.Ephemeral:
		s += fmt.Sprintf("; in this machine's range for outgoing connections (%d to %d)", p.EphemeralFirst, p.EphemeralLast)
	}
	if p.Privileged {
		s += fmt.Sprintf("; below %d, so only root or CAP_NET_BIND_SERVICE may bind it", f.Kernel.UnprivilegedStart)
	}
	return s
}

func classWords(c loopback.Class) string {
	switch c {
	case loopback.ClassReserved:
		return "no port"
	case loopback.ClassSystem:
		return "a system (well-known) port"
	case loopback.ClassUser:
		return "a user (registered) port"
	}
	return "a dynamic (private) port"
}

// hints are what the causes advise, the likeliest first, each once.
func (f *Facts) hints(r *Report) []string {
	var out []string
	for _, c := range r.Causes {
		plain := f.Question.Operation == ""
		switch {
		case c.Hint == "":
		case plain && (c.Code == NobodyListens || c.Code == PrivilegedPort):
			// Somebody who only asked what is there has not asked for that.
		case plain && c.Code == TimeWait && len(r.Connections) > 0:
		case plain && (c.Code == EphemeralTaken || (c.Code == HeldByProcess || c.Code == HeldInHome) && len(out) > 0):
		default:
			out = add(out, c.Hint)
		}
	}
	return out[:min(len(out), 3)]
}
