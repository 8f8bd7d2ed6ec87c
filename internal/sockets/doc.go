// Package sockets reads the machine's sockets from the kernel by netlink
// (sock_diag(7), linux/inet_diag.h), and who holds them from /proc. It works
// for an ordinary user, who sees every socket, but not every holder.
//
// List answers a Query with a Table, one Row a socket; Scan answers it with a
// Snapshot, which holds very many in little memory. Conn is the conversation
// with the kernel below them, for callers that ask about single sockets.
//
// It says what exists at the moment of the call. It does not watch and does
// not keep history: Diff compares two answers, and a Live map, which others
// keep, tells who had the sockets that are gone.
package sockets
