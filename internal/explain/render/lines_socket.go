package render

import (
	"fmt"
	"strings"
	"time"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/sockets"
)

// socketLine writes a socket. The holder of the only listener has a line of its own.
func socketLine(f *facts.Facts, row *sockets.Row, only bool) string {
	proto := strings.ToUpper(string(row.Protocol))
	s := ""
	if row.Path == "" {
		s = words.Line(f, row) + ", " + proto
	}
	if row.Path != "" {
		proto = "Unix, " + row.Type
	}
	if facts.Listens(row) || row.Path != "" {
		s = words.Own(row) + ", " + proto
		if !only || len(row.Processes) == 0 {
			s += ": " + strings.TrimSuffix(words.Holder(f, row), ",")
		}
	}
	if row.Remote != nil && row.Peer != nil && len(row.Peer.Processes) > 0 && row.Peer.Inode != row.Inode {
		s += fmt.Sprintf("; at the other end: %s", words.Processes(row.Peer.Processes))
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

// processLines tells of the processes that hold a socket, each once.
func processLines(f *facts.Facts, row *sockets.Row, told map[int]bool) []Line {
	var out []Line
	if len(row.Processes) == 0 && facts.Listens(row) && row.Closed == nil {
		out = append(out, Line{"process", words.UnseenWhy(f, row)})
	}
	if s := words.Inherited(f, row); s != "" {
		out = append(out, Line{"inherited", s})
	}
	for _, p := range words.Shown(f, row) {
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
			text = fmt.Sprintf("%d %s", p.PID, words.Printable(p.Name))
		}
		if p.User != "" {
			text += ", user " + p.User
		}
		add("process", text)
		add("executable", words.Deleted(p))
		add("forwards", strings.TrimPrefix(words.Forwards(p), "forwards "))
		if p.StartedAt != nil {
			add("since", since(f.Now, *p.StartedAt))
		}
		add("directory", p.Directory)
		add("started by", words.Parents(f, p.PID))
		if row.Project != "" {
			add("project", projectText(f, row.Project, row.Service))
		}
		add("unit", p.Unit)
		if p.Container != "" {
			add("container", words.Short(p.Container))
		} else if p.Unit == "" && p.Cgroup != "/" {
			add("cgroup", p.Cgroup)
		}
	}
	return out
}

// projectText names a service of a project, and where that is.
func projectText(f *facts.Facts, project, service string) string {
	s := project
	if service != "" {
		s += ", service " + service
	}
	if q := f.ProjectNamed(project); q != nil {
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
	return fmt.Sprintf("%s (%s)", at.Local().Format(format), words.Ago(now.Sub(at)))
}
