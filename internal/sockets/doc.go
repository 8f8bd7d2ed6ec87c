// Package sockets reads the machine's TCP and UDP sockets from the kernel by
// netlink (sock_diag(7), linux/inet_diag.h) and the sockets that a process
// holds from /proc. It works for an ordinary user.
//
// It says what exists at the moment of the call. It does not watch, does not
// keep history, and sees only the network namespace that it is called in.
package sockets
