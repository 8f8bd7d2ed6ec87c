// Package keeper is the small process that outlives the daemon: the parent and
// subreaper of one project's services. It holds their home, their logs, their
// terminals and their leased sockets, and answers on a Unix socket of its own.
//
// It does not choose homes or engines and knows no other project: the daemon
// gives it its Config.
package keeper
