// Package track polls the table of sockets for all that follow it: one [Tracker]
// reads at an interval, holds the last table, computes what changed, and serves
// any number of subscribers. It reads while there is a subscriber, and not
// otherwise.
//
// Polling does not see everything: a socket that is opened and closed between two
// readings appears in no table and in no [Change], and of a socket that changes
// twice between two readings only the sum is seen. The kernel offers no
// notification for these without privileges, so neither is counted. What a
// subscriber does not take in time is counted: see [Update.Lost].
//
// The caller's function returns each table, and decides what is selected. A
// [HolderCache] lets it find the holders without a search for each reading.
package track
