// Package tlssecrets has the secrets of TLS taken that processes of this machine derive, by
// the helper's uprobes: it finds what processes use for TLS, has these files probed, and
// makes of what comes the secrets of connections, for package decode/tlskeys.
//
// Probes are at functions that are called a few times in each handshake, and never where
// data are read or written. So a connection whose handshake was before the probes is not
// decrypted: [Probes.Why] says so, as it does of processes of which no secrets can be had.
package tlssecrets
