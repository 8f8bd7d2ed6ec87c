// Package flood bounds what clients cost by frames of HTTP/2 that carry no request
// and no byte of a body. [Conn] stands between a connection and net/http's server
// and counts them, cost.go says what each costs, and [Ledger] adds up what the
// connections of one client cost and remembers clients that flooded.
//
// docs/design/proxy.md says how much that is.
package flood
