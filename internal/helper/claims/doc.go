// Package claims knows which user has what only one user can have: a name below
// .test, an address, a port of the web. The first user who asks has it, in any
// number of sessions, and others get it when the last of these has let it go.
// Names and ports are kept for that user for a moment after that, so that a
// daemon that is started anew finds them again.
package claims
