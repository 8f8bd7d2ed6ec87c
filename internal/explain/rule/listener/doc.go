// Package listener has the causes that lie with a server that listens: it is
// stopped, does not accept, or shares its port.
package listener
