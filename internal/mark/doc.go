// Package mark marks the processes of a home with something that they do not
// wipe by accident: RLIMIT_RTTIME (getrlimit(2)). The limit matters only to
// real-time processes, it is unlimited by default, fork and exec inherit it,
// and every user may read it in /proc/PID/limits. A program that clears its
// environment, writes a title over it, or daemonizes keeps its limits.
//
// The hard limit names the home, and an ordinary user can only lower it; the
// soft limit names the service. Both are numbers of centuries, so that they
// limit nothing.
//
//	hard   01 level(14) home(40) check(8)
//	soft   001 hash of home and service(61)
//
// A lodge that runs inside a home marks its own processes too: the level counts
// down, so that the mark of an inner home is the lower number, whatever the
// rest is.
//
// Where the limit was set before (a container, pam_limits(8), LimitRTTIME= of
// systemd), it stays as it is and nothing is marked: [ErrLimited]. A program
// that sets the limit itself, as audio servers do, loses its mark.
//
// The package ends no process and decides nothing.
package mark
