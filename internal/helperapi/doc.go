// Package helperapi is how a program without privileges asks lodge's helper,
// the process that has them: the messages, which are packets of JSON on a
// SOCK_SEQPACKET Unix socket with descriptors beside them (unix(7), SCM_RIGHTS),
// a client, and the names of a home's cgroups, which both sides read.
//
// A request has a number, its reply the same one. A call may be given up by its
// context at any time and leaves the connection as it was.
package helperapi

// SystemSocket is where the machine's helper listens, which `lodge setup`
// installs.
const SystemSocket = "/run/lodge-helper.sock"
