// Package policy says which user may ask the helper for what, and how much of
// it: one table of operations, and the bounds that keep one user from costing
// the others anything. It decides and does no I/O; the packages beside it ask.
package policy

import "fmt"

// Who says which users an operation is for, by whose the thing is that it is
// about.
type Who string

// The kinds of users.
const (
	// Anyone is every user; what the operation gives is the user's own.
	Anyone Who = "anyone"
	// Owner is the user whose the thing is, and root no more than others.
	Owner Who = "owner"
	// OwnerOrRoot is that user, and root for everyone's things.
	OwnerOrRoot Who = "owner or root"
)

// Rule is one line of the table.
type Rule struct {
	// Op is the operation's name in the protocol.
	Op string
	// Who may do it, to the thing that is named in About.
	Who   Who
	About string
	// AtOnce is how many of one user's calls are being done at the same time, in
	// all of its connections. The others wait, on their own.
	AtOnce int
	// Finishes says that a call that has begun is not given up: half of it would
	// be worse than all.
	Finishes bool
}

// Rules returns the table. An operation that is not in it is for no user.
func Rules() []Rule {
	return []Rule{
		{Op: "hello", Who: Anyone, About: "the helper", AtOnce: 4},
		{Op: "create_home", Who: Anyone, About: "an address that is free", AtOnce: 8},
		{Op: "enter", Who: Owner, About: "a home", AtOnce: 8},
		{Op: "remove_home", Who: OwnerOrRoot, About: "a home", AtOnce: 16, Finishes: true},
		{Op: "sweep", Who: OwnerOrRoot, About: "homes without a process", AtOnce: 1, Finishes: true},
		{Op: "listen_web", Who: Owner, About: "a port of the web", AtOnce: 2},
		{Op: "set_hosts", Who: Anyone, About: "names that are free", AtOnce: 4},
		{Op: "owners", Who: Anyone, About: "sockets of all users, command lines of its own", AtOnce: 4},
		{Op: "end_owners", Who: Anyone, About: "its use of the live map", AtOnce: 2},
		{Op: "tap", Who: Anyone, About: "packets of its own sockets, root's of all users'", AtOnce: 2},
		{Op: "tap_unix", Who: Anyone, About: "what its own processes send by Unix sockets, or is sent to its own, root's of all users'", AtOnce: 2},
		{Op: "tap_rings", Who: Owner, About: "a tap", AtOnce: 4},
		{Op: "tap_counts", Who: Owner, About: "a tap", AtOnce: 4},
		{Op: "end_tap", Who: Owner, About: "a tap", AtOnce: 4, Finishes: true},
		{Op: "secrets", Who: Anyone, About: "secrets of its own processes, root's of all users'", AtOnce: 1},
		{Op: "probe", Who: Owner, About: "secrets of processes, in a file that is its own or root's", AtOnce: 2, Finishes: true},
		{Op: "secret_counts", Who: Owner, About: "secrets of processes", AtOnce: 4},
		{Op: "end_secrets", Who: Owner, About: "secrets of processes", AtOnce: 4, Finishes: true},
	}
}

// The bounds of what users have.
const (
	// Clients is how many connections there are in all, UserClients those of one
	// user. A daemon has one.
	Clients     = 1024
	UserClients = 32
	// UserHomes bounds the homes of one user on the machine, those of its other
	// sessions and of earlier helpers included.
	UserHomes = 256
	// UserClaims bounds the names, addresses and ports that one user has, those
	// included that it let go a moment ago.
	UserClaims = 8192
	// HostsLines bounds the lines of the hosts file that one client has.
	HostsLines = 4096
	// UserTaps bounds the taps of one user, UserRingBytes the memory of their
	// rings, that included which the user keeps mapped after a tap has ended.
	UserTaps      = 8
	UserRingBytes = 256 << 20
	// Probes bounds the places that one client has probed, UserProbes those of one user.
	// SecretRingBytes is the size of the ring of a client's secrets, which counts as a tap's.
	Probes          = 1024
	UserProbes      = 4096
	SecretRingBytes = 256 << 10
	// SpareTaps is how many taps of each network namespace root alone may have.
	SpareTaps = 8
	// UnixTaps bounds the taps of Unix sockets, each of which costs every program of the
	// machine something; SpareUnixTaps of them root alone may have, and UserUnixTaps each
	// other user.
	UnixTaps      = 8
	SpareUnixTaps = 4
	UserUnixTaps  = 2
)

// Allows reports whether the user caller may do the operation to a thing of the
// user owner.
func (r Rule) Allows(caller, owner uint32) bool {
	switch r.Who {
	case Anyone:
		return true
	case Owner:
		return caller == owner
	case OwnerOrRoot:
		return caller == owner || caller == 0
	}
	return false
}

// Allows is [Rule.Allows] of an operation's rule; it is false for an operation
// that has none.
func Allows(op string, caller, owner uint32) bool {
	for _, r := range Rules() {
		if r.Op == op {
			return r.Allows(caller, owner)
		}
	}
	return false
}

// MayMove reports whether the user may move a process with these four user ids
// (real, effective, saved, of the file system) into a home of its own: a process
// that has the rights of another user is not the user's to move.
func MayMove(caller uint32, ids [4]uint32) bool {
	if caller == 0 {
		return true
	}
	for _, id := range ids {
		if id != caller {
			return false
		}
	}
	return true
}

// SeesCommands reports whether the user is told the command lines of the
// processes of the user owner. Which processes there are, whose they are and
// which sockets they have is what the helper was installed to show; a command
// line can hold more.
func SeesCommands(caller, owner uint32) bool { return caller == 0 || caller == owner }

// SeesPackets reports whether the user is given all packets of lo. Every other
// user is given those of which one end is a socket of that user.
func SeesPackets(caller uint32) bool { return caller == 0 }

// SeesSecrets reports whether the user is given the secrets of TLS of all processes.
// Every other user is given those of processes that have that user's rights and no more.
func SeesSecrets(caller uint32) bool { return caller == 0 }

// Trust is why a place in a file may be probed.
type Trust int

// The kinds of trust.
const (
	// None: the file is not for this user to probe.
	None Trust = iota
	// Named: the place must be where the file says that the function is, which only
	// root could have changed.
	Named
	// Given: the user may say the place, and harms by a wrong one no program but those
	// that the user could change anyway; or the user is root.
	Given
)

// MayProbe returns how the user may probe a file of the user owner with these bits of
// permission. A probe at a wrong place ends each program that comes along there.
func MayProbe(caller, owner uint32, mode uint32) Trust {
	const othersWrite = 0o022 // an access control list shows in the group's bit (acl(5))
	switch {
	case caller == 0 || caller == owner:
		return Given
	case owner == 0 && mode&othersWrite == 0:
		return Named
	}
	return None
}

// WebPort reports whether the user may have listening sockets on a port of
// localhost that is otherwise root's. reserved is the only user who may, or 0:
// the first who asks, which the table of claims decides. known is false for a
// port that no user gets.
func WebPort(port uint16, caller, reserved uint32) (allowed, known bool) {
	if port != 80 && port != 443 {
		return false, false
	}
	return reserved == 0 || Allows("listen_web", caller, reserved), true
}

// NotYoursError says that another user has something.
type NotYoursError struct {
	What  string
	Owner uint32
}

func (e *NotYoursError) Error() string { return fmt.Sprintf("%s belongs to user %d", e.What, e.Owner) }
