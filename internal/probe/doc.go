// Package probe makes the temporary connections that people write scripts for:
// one, to say what answers at an address and how long each step took, or many,
// to measure.
//
// What answers is known from real exchanges and never from the port alone; the
// port only decides which question is asked first. No question changes
// anything on a server: they are those that a client asks before it does
// something, or reads of a version. Parsers of answers are pure functions of
// bounded bytes.
//
// It reaches this machine only, unless it is told otherwise. It does not know
// which process listens (that is sockets) or why nothing does (that is
// explain), and makes no text for people (that is cli).
package probe
