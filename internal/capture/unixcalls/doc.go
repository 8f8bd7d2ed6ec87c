// Package unixcalls makes connections of what a tap of Unix sockets tells: the calls
// by which processes send, of all threads, as the programs of package bpf write them
// (src/unixtap.c). An [Assembler] takes their records and hands the bytes of each
// connection to a [Sink], in the order in which their calls were entered, with what
// is missing.
//
// A call's bytes are told when it is entered and count when it is over, by as many as
// were sent. What is sent because of them comes later, but may be over sooner: it waits.
//
// The package reads no file and no clock. Package capture/ring reads the records.
package unixcalls
