// Package localapi is how lodge's faces talk to its daemon: the wire types of
// the API, which are also what `--json` prints, and the client. It is HTTP and
// JSON over a Unix socket.
//
// It formats nothing for people, and it starts no daemon.
package localapi
