package sockets

import (
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// What rows and queries have of the packages below, under the names that readers
// of rows use.
type (
	// Process is a process that holds a socket: see [holders.Process].
	Process = holders.Process
	// Home is a project's address: see [holders.Home].
	Home = holders.Home
	// Moved is a socket at another port than its program knows: see
	// [holders.Moved].
	Moved = holders.Moved
	// TCPInfo is what the kernel tells of a TCP connection: see [diag.TCPInfo].
	TCPInfo = diag.TCPInfo
)
