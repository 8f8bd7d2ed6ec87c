// Package target reads the words by which people and programs mean an address:
// 3000, :http, localhost:5432, ::1:80, [::1]:80, tcp:80, a URL, a block of
// addresses, or the path of a Unix socket. Every command that takes an address
// reads it here, so that one word means the same to all of them.
//
// It does no I/O: it finds out neither what a name leads to nor whether an
// address is this machine's. What a word without a port means (a process, a
// project, a service) is for the caller to decide.
package target
