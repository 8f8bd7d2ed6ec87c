// Package words has the phrases of which sentences for people are made: how a
// socket, its holder, a process, a service or a name is called. Rules and package
// render share them, and typed evidence is made here from the same rows.
//
// It is pure: facts in, text out.
package words
