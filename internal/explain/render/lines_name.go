package render

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/sockets"
)

// nameLines are the evidence about the name.
func nameLines(f *facts.Facts) []Line {
	n := f.Name
	if n == nil {
		return nil
	}
	var out []Line
	about := fmt.Sprintf("%s, at %s", n.Project, n.Path)
	if n.Home.IsValid() {
		about = fmt.Sprintf("%s (home %s, %s)", n.Project, n.Home, n.Path)
	}
	out = append(out, Line{"project", about})
	if s := n.Service; s != nil {
		text := s.Name + ", " + s.State
		if s.Reason != "" && s.State != "ready" {
			text += ": " + s.Reason
		}
		out = append(out, Line{"service", text})
		for _, l := range s.Limits {
			out = append(out, Line{"limit", l})
		}
		if len(n.URL) > 0 && n.Domain == "test" {
			out = append(out, Line{"also", n.URL})
		}
		if n.Domain == "localhost" && n.HostName != "" {
			out = append(out, Line{"also", n.HostName})
		}
	}
	return out
}

// throughLine reports where lodge listens for what names lead to.
func throughLine(f *facts.Facts) []Line {
	if f.Name == nil || !f.Web() {
		return nil
	}
	var at []string
	for _, r := range f.Through() {
		at = words.Add(at, r.Local.AddrPort().String())
	}
	if len(at) == 0 {
		return nil
	}
	return []Line{{"through", fmt.Sprintf("lodge (pid %d) on %s", f.Name.ServerPID, strings.Join(at, ", "))}}
}

// servedLine names what leads to lodge's own port.
func servedLine(f *facts.Facts, rows []sockets.Row) []Line {
	if f.Name != nil || !slices.ContainsFunc(rows, func(r sockets.Row) bool {
		p := f.HeldByLodge(&r)
		return p != nil && f.Own[p.PID] == "daemon" && facts.Listens(&r)
	}) {
		return nil
	}
	var urls []string
	for _, p := range f.Projects {
		for _, s := range p.Services {
			if s.URL != "" {
				urls = append(urls, s.URL)
			}
		}
	}
	if len(urls) == 0 {
		return nil
	}
	if n := len(urls) - words.MaxShown; n > 0 {
		urls = append(urls[:words.MaxShown:words.MaxShown], words.Count(n, "more", "more"))
	}
	return []Line{{"serves", words.Join(urls)}}
}

// keptLines are the evidence about that service.
func keptLines(f *facts.Facts) []Line {
	k := f.Kept
	if k == nil || k.Name == "" {
		return nil
	}
	var out []Line
	if f.Name == nil {
		text := fmt.Sprintf("%s of project %s, %s", k.Name, k.Project, k.State)
		if k.Exit != nil {
			text += fmt.Sprintf(", exit status %d", *k.Exit)
		}
		if k.Reason != "" && k.State != "ready" {
			text += ": " + k.Reason
		}
		out = append(out, Line{"service", text})
	}
	for _, l := range k.Log[max(len(k.Log)-words.MaxShown, 0):] {
		out = append(out, Line{"log", words.PlainText(l)})
	}
	return out
}
