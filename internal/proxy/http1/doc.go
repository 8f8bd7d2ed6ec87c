// Package http1 reads and writes messages of HTTP/1 (RFC 9112): heads, framing,
// bodies and trailers. Heads of requests are read strictly: what parsers are
// known to read in different ways is an error. Heads of answers are read
// leniently: lines may end in LF alone, and folded lines are joined; what is
// written to the client ends its lines in CR LF.
//
// It opens no connection, has no clock and decides nothing: which requests may
// pass is decided by package policy.
package http1
