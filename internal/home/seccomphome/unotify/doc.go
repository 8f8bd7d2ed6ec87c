// Package unotify is the mechanism of a seccomp user-notification filter (seccomp_unotify(2)): the
// filter's program and its installation, notifications and their answers, the memory and the
// descriptors of the programs that wait for an answer, and socket addresses and messages as the
// kernel has them. What a call is answered with is decided by its callers.
package unotify
