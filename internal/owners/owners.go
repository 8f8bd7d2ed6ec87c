// Package owners is the table of who holds which socket, as the helper makes
// it and its clients read it: its words, and its bytes on the way. It asks
// no kernel, does no I/O and decides nothing.
package owners

import "net/netip"

// Table says, for one moment, who held which socket on the whole machine and
// who had those that are gone.
type Table struct {
	// Boot is that moment on CLOCK_BOOTTIME, in nanoseconds; all other times
	// of the table are on the same clock.
	Boot uint64
	// Processes are those that Holdings and Closed name by their index.
	Processes []Process
	Holdings  []Holding
	Closed    []Closed
	// Hidden counts the descriptors of sockets that processes hold which have
	// no id in the helper's pid namespace; they are in none of the lists.
	Hidden uint32
	// Warnings say what may be missing, one line each.
	Warnings []string
}

// Process is a process that holds or had a socket.
type Process struct {
	// PID and Parent are ids in the helper's pid namespace; Parent is zero
	// where the parent is in none.
	PID, Parent uint32
	// UID is the effective user.
	UID uint32
	// Start is in clock ticks since boot (proc(5), field 22 of
	// /proc/PID/stat): with PID it names one process for ever.
	Start uint64
	// Name is the kernel's name of the main thread, up to 15 bytes.
	Name string
	// Command is the beginning of its command line, a zero after each
	// argument, where it had to be kept: of processes in Closed. Cut says that
	// there was more.
	Command string
	Cut     bool
}

// Holding says that a process has a socket open.
type Holding struct {
	// Inode is the socket's number in sockfs.
	Inode   uint32
	Process uint32
	// Opened is when the connection was made or the socket began to listen;
	// zero where that was not seen.
	Opened uint64
}

// Closed says who closed a TCP connection that the kernel may still show.
type Closed struct {
	// Namespace is the inode number of the network namespace.
	Namespace uint32
	// Local is the end of the one who closed. IPv4-mapped addresses are
	// unmapped.
	Local, Remote netip.AddrPort
	Process       uint32
	// At is when it was closed, or shut down for sending.
	At uint64
}
