// Package facts has what is known of this machine and bears on a question: the
// sockets and their processes, addresses and routes, what the firewall does,
// what lodge's daemon says. Package gather fills [Facts], and rules read it.
//
// It is plain data. Its methods choose from it and compute; none does I/O.
package facts
