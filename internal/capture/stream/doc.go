// Package stream turns captured packets into the bytes of connections: TCP is
// reassembled, UDP grouped by its two addresses.
//
// Each connection is a [Conn] of the caller's, which gets the bytes of each side
// in order and once, the gaps between them, and how each side ended. Bytes that
// come in order are handed over without a copy. What arrives out of order is
// held, in bounded memory, until the missing bytes come or are given up: see
// [Options]. Nothing is left out in silence: [Counts] accounts for each byte.
//
// TCP is https://www.rfc-editor.org/rfc/rfc9293. The package is pure: no I/O, no
// clock, no goroutine. The time is that of the packets.
package stream
