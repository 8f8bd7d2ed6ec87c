// Package view makes the tables of `lodge top` from a reading of the machine: pure
// functions of data, which read nothing and keep nothing.
//
// A [Meter] makes rates of two frames; a [Digest] pairs the sockets of a frame and
// makes the [List] of each view; a [Layout] makes lines of its items; and
// [Digest.Report] is the same as JSON has it.
package view
