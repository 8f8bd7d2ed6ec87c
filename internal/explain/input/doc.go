// Package input reads what was asked: an address, a port, a name, the path of a
// Unix socket, or an error message with one of these in it. [Parse] returns it
// as a [Question]. It does no I/O.
package input
