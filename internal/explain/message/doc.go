// Package message reads the error messages of programs: which call failed, with
// which error, at which address.
//
// A message is read in three steps. The lexer finds everything that is written
// like an address, a port, a URL or the path of a socket, and what only looks
// like one: a time, a place in a source file, a version. Each of these mentions
// has a role by the words before it: what was connected to, where a client came
// from, where documentation is. Then each error in the message takes the mention
// that belongs to it. What has no address that belongs to an error is not
// guessed.
//
// The package knows no machine: it does no I/O.
package message
