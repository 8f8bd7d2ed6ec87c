// Package sockets lists the machine's sockets: what the kernel says of each, which
// processes hold it, and its other end. It works for an ordinary user, to whom
// every socket is visible, but not every holder.
//
// [List] answers a [Query] with a [Table], one [Row] a socket; [Scan] answers it
// with a [Snapshot], which holds very many in little memory. Package diag below it
// reads the sockets, holders finds the processes, netif knows the interfaces;
// package track above it polls.
//
// It says what exists at the moment of the call, and keeps no history.
package sockets
