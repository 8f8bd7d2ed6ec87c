package seccomphome

import (
	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
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
func undumpable(n *unotify.Notification, strict bool) unotify.Answer {
	refuse := false
	switch n.NR {
	case unix.SYS_BIND:
		size := int32(n.Args[2]) //nolint:gosec // a C int
		refuse = size == unotify.Inet4Len || size == unotify.Inet6Len || strict && size >= unotify.Inet4Len
	case unix.SYS_CONNECT:
		refuse = strict && int32(n.Args[2]) >= unotify.Inet4Len //nolint:gosec // as above
	case unix.SYS_SENDTO:
		refuse = strict && int32(n.Args[5]) >= unotify.Inet4Len //nolint:gosec // as above
	case unix.SYS_LISTEN:
		refuse = strict
	case unix.SYS_SENDMSG, unix.SYS_SENDMMSG:
		refuse = strict
	}
	if refuse {
		return unotify.Fail(unix.EACCES)
	}
	return unotify.LetThrough
}
