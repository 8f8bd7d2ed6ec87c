// Package tunnel joins two connections as they are: after 101 Switching Protocols,
// mostly for WebSockets, or for a service that speaks no HTTP. A tunnel on which
// nothing is said has no goroutine and no buffer.
package tunnel
