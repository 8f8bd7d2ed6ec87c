// Package home makes a project's own localhost: the engines behind one
// interface. It starts processes inside a home, knows which of them belong to
// which service, and tells who listens there.
//
// It does not decide what runs or when (package service), and it holds no
// state that outlives its process: the keeper that opens a home keeps it.
package home

import (
	"net"
	"net/netip"
	"os"

	"lodge/internal/loopback"
	"lodge/internal/mark"
)

// Spec describes a home.
type Spec struct {
	// ID is the project's short stable name, of [a-z0-9-] only.
	ID string
	// IP4 is the home's address, from loopback.HomeRange.
	IP4 netip.Addr
	// IP6 is the address for IPv6-only sockets, or the zero Addr where the
	// engine has none.
	IP6       netip.Addr
	Isolation loopback.Isolation
	// Mark is what the home's processes carry; the zero Mark where they cannot.
	Mark mark.Home `json:",omitzero"`
}

// Command is one process to start inside.
type Command struct {
	// Service names the service (or the exec) that the process, and all that
	// it starts, belong to.
	Service string
	// Path is the executable, already looked up; Args starts with argv[0].
	Path string
	Args []string
	// Env is the whole environment, "key=value".
	Env []string
	Dir string
	// Files become the descriptors 0, 1, 2 and so on. A nil entry is closed.
	Files []*os.File
	// Hosts is a file that the process, and all that it starts, see as
	// /etc/hosts, or "" for the machine's.
	Hosts string
	// Terminal reports that Files[0] is a terminal that becomes the controlling
	// terminal of a new session. Otherwise the process leads a new session
	// without a terminal.
	Terminal bool
}

// Inside is an open home. Its methods may be called from several goroutines.
//
// Every engine has every method. One that cannot do what a method is for returns
// errors.ErrUnsupported; what an engine does otherwise than others is in its
// Capabilities.
type Inside interface {
	Engine() loopback.Engine
	Capabilities() Capabilities
	// Start starts a process inside and returns its process id. The caller
	// reaps it (wait4). Errors name the executable.
	Start(Command) (pid int, err error)
	// Pids lists the processes of a service that are alive now, daemonized
	// grandchildren included; "" lists those of every service.
	Pids(service string) ([]int, error)
	// Kill ends every process of a service with SIGKILL, also those that are
	// being forked meanwhile; "" means every service. It returns when the
	// signal was sent to all, not when they are gone.
	Kill(service string) error
	// Endpoints lists what listens in the home now, as the kernel has it.
	Endpoints() ([]loopback.Endpoint, error)
	// Changes delivers a value soon after an endpoint may have come or gone.
	// Values coalesce.
	Changes() <-chan struct{}
	// Conflicts delivers binds that were refused because the port is taken
	// inside the home. Values are dropped when there is no reader.
	Conflicts() <-chan Conflict
	// ProcessExited tells the engine that a process inside was reaped, with which
	// sockets may have gone.
	ProcessExited()
	// Lease keeps a port of the home for one service: no other process inside can
	// bind it until Release. It may be unsupported.
	Lease(service string, port uint16) error
	Release(port uint16) error
	// Hold keeps the listening sockets of a service open while the service is
	// replaced, so that connections wait instead of being refused, and returns how
	// many it keeps. It may be unsupported.
	Hold(service string) (n int, err error)
	// Unhold ends Hold for a service that is ready, LetGo for one that will not
	// accept: what waits is refused at once.
	Unhold(service string)
	LetGo(service string)
	// Tap leads the connections to services that are made inside from now on through
	// this process, and tells out what they carry, in the frames of package feed, until
	// the other end of out is closed for writing. It owns out. It may be unsupported.
	Tap(out *net.UnixConn) error
	// Forget drops what the engine holds for a service that has no process
	// left, such as its cgroup.
	Forget(service string) error
	// Close releases what the engine holds. Processes inside must have ended.
	Close() error
}

// Capabilities are the ways in which engines differ, beside the methods that may
// be unsupported.
type Capabilities struct {
	// Translates reports that a program inside reaches its home as localhost
	// (127.0.0.1, ::1). Otherwise it uses the home's address.
	Translates bool
	// ReportsClose reports that Changes delivers a value when a process that goes
	// on closes a listening socket. Otherwise the endpoints must be read again.
	ReportsClose bool
}

// Conflict is a bind that failed because another process inside has the port.
type Conflict struct {
	Service  string // who wanted it
	Protocol loopback.Protocol
	Port     uint16
}
