// Package helperapi is how a program without privileges asks lodge's helper,
// the process that has them: the messages, which are packets of JSON on a
// SOCK_SEQPACKET Unix socket with descriptors beside them (unix(7), SCM_RIGHTS),
// a client, and the names of a home's cgroups, which both sides read.
//
// A request has a number, an operation and its arguments, whose type belongs to
// the operation; the reply has the same number. Many calls are under way on one
// connection, and are answered in any order. A call may be given up by its
// context at any time: the helper is told, and the connection goes on.
package helperapi

// SystemSocket is where the machine's helper listens, which `lodge setup`
// installs.
const SystemSocket = "/run/lodge-helper.sock"
