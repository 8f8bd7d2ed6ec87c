// Package explain says what is behind an address, a port, a name or an error
// message: what is there, who can reach it, and why a connection or a bind
// fails, each cause with its evidence and what to do about it.
//
// It is in three parts. Parse reads what a person typed or pasted. Gather looks
// at this machine and only looks: it makes no connection and binds nothing.
// Rules turn the facts into causes and sentences, and are pure. How an answer
// is laid out for a terminal is not its business.
package explain
