package projecttable

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/operation"
	"lodge/internal/service"
	"lodge/internal/show"
)

// remarksOfService prints what a table's line does not say of a service. name has its
// project's in front.
func (p *Printer) remarksOfService(name string, s service.Status) {
	if s.SharedURL != "" {
		// What others may reach must not be overlooked.
		p.alarm(fmt.Sprintf("%s: shared with the network: %s", name, s.SharedURL))
	}
	if line := choice(s); line != "" {
		fmt.Fprintf(p.out, "%s: %s\n", name, line)
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(p.out, "%s: %s\n", name, w)
	}
	// If it starts again after it was ready, or has ended: the reason.
	again := s.State == service.Starting && (s.ReadyMS > 0 || s.Failing != "") && s.PID != 0 && s.Reason != ""
	if s.State == service.Failed || s.State == service.Backoff || again {
		fmt.Fprintf(p.out, "%s: %s\n", name, s.Reason)
	}
}

// remarks prints what the table does not say of a project.
func (p *Printer) remarks(project localapi.Project) {
	for _, text := range kit.HaltedNotes([]localapi.Project{project}) {
		p.alarm(text)
	}
	if project.DirectoryProblem != "" {
		fmt.Fprintf(p.out, "%s: its directory %s %s; `lodge down --project %s` ends it\n", project.Shown(), project.Path, operation.Became(project), project.ID)
	}
	if project.LogError != "" {
		fmt.Fprintf(p.out, "%s: logs are not kept: %s\n", project.Shown(), project.LogError)
	}
}

// alarm prints a line that is red on a terminal (ECMA-48, SGR).
func (p *Printer) alarm(line string) {
	if p.color {
		line = show.Paint(show.BoldRed, line)
	}
	fmt.Fprintln(p.out, line)
}

// choice returns to which port of several a service's name leads, and how to
// choose, or "" if the file says it.
func choice(s service.Status) string {
	ports := slices.DeleteFunc(names.TCPPorts(&s), service.Ephemeral)
	if s.State != service.Up || s.URL == "" || s.HTTP != 0 || s.HTTPSocket != "" || len(s.PortNames) > 0 || len(ports) < 2 {
		return ""
	}
	leads := "to the lowest port that speaks HTTP"
	if s.WebPort != 0 {
		leads = fmt.Sprintf("to port %d", s.WebPort)
	}
	host := strings.TrimPrefix(s.URL, "https://")
	return fmt.Sprintf("its name leads %s; PORT.%s leads to any, and http or names in lodge.toml choose", leads, host)
}
