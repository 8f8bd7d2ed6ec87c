// Package keeperapi is how a program talks with a project's keeper: the records
// by which keepers are found, the messages, which are lines of JSON on a Unix
// stream socket with descriptors beside them (unix(7), SCM_RIGHTS), and a client.
// It also has what the daemon and a keeper that it starts tell each other.
package keeperapi
