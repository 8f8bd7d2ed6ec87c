// Package diff compares two recordings of [lodge/internal/tap], exchange by exchange:
// which requests there are in one and not in the other, how often, and which of their
// statuses, headers, bodies and latencies differ.
//
// Exchanges are aligned and not rewritten: two homes have the same ports and origins. The
// key is the server (its service, or its process and port), the protocol, the method and
// the group, which is a path or a statement without what identifies one of many. Within
// a key, exchanges that are equal are paired first, whatever their order and their
// connections, then those that are equal in less and less; all of it takes O(n log n).
//
// What differs from run to run is left out. A part of that is known beforehand: it is
// listed in volatile.go, and times near that of the recording are recognised. The rest is
// learned from further runs of the first side: what differs between runs of one side is
// volatile.
//
// The package computes only: it reads no file and no clock.
package diff
