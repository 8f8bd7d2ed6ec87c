package view

import (
	"time"

	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

// Frame is one reading of the machine.
type Frame struct {
	// Time has a monotonic clock reading, from which rates are made.
	Time     time.Time
	Rows     []sockets.Row
	Projects []localapi.Project
	// UnknownOwners counts the sockets whose processes may not be seen.
	UnknownOwners int
	Warnings      []string
}

// Match reports whether a socket is wanted.
type Match func(*sockets.Row) bool
