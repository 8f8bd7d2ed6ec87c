// Package query is the language of filters that every command with a filter
// takes: plain words, terms (service=api, port 3000), and expressions of them
// with and, or, not and parentheses. docs/reference/filters.md is its reference.
//
// A command describes its fields in a [Schema]. [Parse] and [ParseText] return
// a tree of [Expr]; [Compile] makes a [Matcher] of it, which tests rows through
// the interface [Row]; [Bound] returns what an engine that cannot evaluate the
// whole tree may leave out. Other back ends walk the tree: see [Simplify].
//
// The package does no I/O and reads no clock: names of services, addresses,
// users and the time are the schema's functions and values.
package query
