// Package projecttable prints the table of projects and services that `lodge ls` and
// `lodge up` show.
package projecttable

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/show"
	"lodge/internal/show/table"
)

// Printer prints projects: those of `lodge ls` as a result, those of an attached
// `lodge up` beside the services' output.
type Printer struct {
	out   io.Writer
	width int // of the terminal, or 0
	color bool
}

// Results returns a printer to standard output.
func Results(k *kit.Kit) *Printer {
	return &Printer{out: k.Out, width: kit.TerminalWidth(k.Env.Stdout), color: k.WantsColor(k.Env.Stdout)}
}

// Progress returns a printer to standard error. It has colour if standard output has.
func Progress(k *kit.Kit) *Printer {
	return &Printer{out: k.Err, width: kit.TerminalWidth(k.Env.Stderr), color: k.WantsColor(k.Env.Stdout)}
}

// Print prints the table, and below it what does not fit into a cell.
func (p *Printer) Print(ps []localapi.Project) {
	w := table.NewTabs(p.out)
	for _, cells := range fitting(rows(ps), p.width) {
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // the output keeps the error
	for _, project := range ps {
		for _, s := range project.Services {
			p.remarksOfService(project.Shown()+"/"+s.Name, s)
		}
		p.remarks(project)
	}
}

// rows returns the cells of the table, with the titles first.
func rows(ps []localapi.Project) [][]string {
	rows := [][]string{{"PROJECT", "SERVICE", "STATE", "HOME", "PORTS", "ENGINE", "PID", "UP", "NAME"}}
	for _, p := range ps {
		if len(p.Services) == 0 {
			rows = append(rows, []string{p.Shown(), "-", p.State, p.Home, ports(p.Others), show.Dash(string(p.Engine)), "-", "-", "-"})
		}
		for _, s := range p.Services {
			pid, up := "-", "-"
			if s.PID != 0 {
				pid = strconv.Itoa(s.PID)
			}
			if s.StartedAt != nil && s.PID != 0 {
				up = show.Age(time.Since(*s.StartedAt))
			}
			rows = append(rows, []string{p.Shown(), s.Name, string(s.State), p.Home, ports(loopback.Reachable(s.Endpoints)), string(p.Engine), pid, up, shownName(s)})
			for _, n := range s.PortNames {
				rows = append(rows, []string{"", "", "", "", strconv.Itoa(int(n.Port)), "", "", "", shownPortName(n)})
			}
		}
	}
	return rows
}

// fitting removes columns from a table, whose first row is the titles, until it
// fits: those that a person misses least. The home stays: it is how a service is
// reached whose name the machine does not resolve. width 0 is no terminal, to which
// everything is printed.
func fitting(rows [][]string, width int) [][]string {
	for _, spare := range []string{"ENGINE", "PID", "UP"} {
		total := -2
		for col := range rows[0] {
			most := 0
			for _, r := range rows {
				most = max(most, table.Width(r[col]))
			}
			total += most + 2
		}
		i := slices.Index(rows[0], spare)
		if width == 0 || total <= width || i < 0 {
			return rows
		}
		for n, r := range rows {
			rows[n] = slices.Delete(r, i, i+1)
		}
	}
	return rows
}

// shownName is what a person types to reach the service: its HTTPS name, or
// its name for any protocol.
func shownName(s service.Status) string {
	if s.URL != "" {
		return s.URL
	}
	return show.Dash(s.HostName)
}

// shownPortName is shownName for a port.
func shownPortName(n service.PortName) string {
	if n.URL != "" {
		return n.URL
	}
	return show.Dash(n.HostName)
}

// ports returns a service's ports as a cell of a table.
func ports(eps []loopback.Endpoint) string { return show.Dash(strings.Join(loopback.Ports(eps), ",")) }
