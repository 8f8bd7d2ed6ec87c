// Package explain says what is behind an address, a port, a name or an error
// message: what is there, who can reach it, and why a connection or a bind
// fails, each cause with its evidence and what to do about it.
//
// It is the front of its parts: package input reads what a person typed or pasted,
// gather looks at this machine and makes facts of it, rules find causes in the
// facts, render makes text and JSON of both. The list of rules is here ([Causes]),
// and what ends a process that holds an address.
package explain
