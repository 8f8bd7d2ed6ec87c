// Package ring reads the packets of lo from what the helper hands over: the
// rings of a tap, one for each CPU, which the programs of package bpf fill. It
// needs no privilege beyond the descriptors.
//
// Records of other taps are given as they are ([Records]).
//
// It gives each packet once, in the order of time, with the process that sent it
// as far as the kernel knew. It decodes nothing: package packet does.
package ring
