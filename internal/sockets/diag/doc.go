// Package diag reads sockets from the kernel by netlink (sock_diag(7),
// linux/inet_diag.h, linux/unix_diag.h), and from /proc/net (proc(5)) where that
// is missing. It needs no privilege, and knows nothing of processes.
//
// [Conn] is the conversation: it looks up single sockets and dumps tables as
// [Socket]. A [Listing] dumps very many as [Record], which has no pointers and
// both ends of a connection in one form.
package diag
