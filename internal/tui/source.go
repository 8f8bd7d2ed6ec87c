package tui

import (
	"context"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/sockets"
)

// Source is where the facts come from, and what carries out what the keys ask
// for. Its methods are called from several goroutines.
type Source interface {
	// Frame reads everything once.
	Frame(ctx context.Context) (*Frame, error)
	// Explain says in plain text what is at address, such as 127.0.0.1:5432
	// or 53/udp.
	Explain(ctx context.Context, address string) (string, error)
	// Logs hands the last lines of a service and those that come to each,
	// until ctx ends or the project does.
	Logs(ctx context.Context, p localapi.Project, service string, each func(logs.Line) error) error
	// End asks the process to end, with SIGKILL if hard and SIGTERM otherwise,
	// and waits a little. It reports whether the process is gone; it never
	// touches another one that has its id by now.
	End(ctx context.Context, p *sockets.Process, hard bool) (gone bool, err error)
}

// Frame is all that is known at one moment.
type Frame struct {
	// Time has a monotonic reading: rates are made from it.
	Time     time.Time
	Rows     []sockets.Row
	Projects []localapi.Project
	// UnknownOwners counts the sockets whose processes may not be seen.
	UnknownOwners int
	Warnings      []string
}

// Match reports whether a socket is wanted.
type Match func(*sockets.Row) bool

// Options say how top looks and what it begins with.
type Options struct {
	// View is projects, listeners, connections or talk; "" is projects if
	// one is up, and listeners otherwise.
	View string
	// Interval is the time between two readings.
	Interval time.Duration
	// Filter is what the list is filtered by at first; ParseFilter reads it,
	// and what the person types.
	Filter      string
	ParseFilter func(text string) (Match, error)
	// Color allows colours; ASCII allows nothing but ASCII, for a terminal
	// whose locale says so.
	Color, ASCII bool
	// Zone is that of the times that are shown; nil is the machine's.
	Zone *time.Location
	// Own reports what a process is of lodge itself, such as "keeper", or "": such a
	// one is never offered to be ended.
	Own func(*sockets.Process) string
	// Privileged says that lodge runs as root, so that it would not help to
	// say that root sees more.
	Privileged bool
}
