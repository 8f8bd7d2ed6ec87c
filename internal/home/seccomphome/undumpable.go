package seccomphome

import (
	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// undumpable answers for a process that we may not look into, because it made
// itself not dumpable (ssh-agent, gpg-agent) or its executable cannot be read.
// Neither its socket nor its address can be seen, only the numbers that it
// passed. Asking for a name is let through. The others:
//
//	strict   nothing that could be an IPv4 or IPv6 address or socket, nor
//	         sendmsg, of which nothing can be seen: EACCES
//	overlay  bind with an address of exactly their two sizes: EACCES, so that
//	         a server is not on the network by surprise; the rest is let
//	         through, and reaches the machine's own localhost
func (l *listener) undumpable(n *notification) answer {
	strict := l.h.spec.Isolation == loopback.Strict
	refuse := false
	switch n.nr {
	case unix.SYS_BIND:
		size := int32(n.args[2]) //nolint:gosec // a C int
		refuse = size == inet4Len || size == inet6Len || strict && size >= inet4Len
	case unix.SYS_CONNECT:
		refuse = strict && int32(n.args[2]) >= inet4Len //nolint:gosec // as above
	case unix.SYS_SENDTO:
		refuse = strict && int32(n.args[5]) >= inet4Len //nolint:gosec // as above
	case unix.SYS_LISTEN:
		refuse = strict
	case unix.SYS_SENDMSG, unix.SYS_SENDMMSG:
		refuse = strict
	}
	if refuse {
		return fail(unix.EACCES)
	}
	return letThrough
}
