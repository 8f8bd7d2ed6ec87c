// Package proxy is the HTTP engine behind https://web.shop.localhost: it takes
// requests on listeners that it is given, finds by their Host which service
// they are for, decides whether they may pass, and carries them to the service
// and its answer back, without buffering either.
//
// There are two ways of carrying a request. On the fast path (fastpath.go), for
// HTTP/1 to services that speak HTTP/1, one goroutine serves a connection. The
// general path (general.go), for all else, is net/http's server with either the
// same client of HTTP/1 or net/http's Transport. Both share routes, policy, pages,
// the heads for the service, interim answers, bodies and trailers, and the pools of
// connections; docs/design/proxy.md says why there are two.
//
// It has no certificates (its caller gives it a tls.Config), does not know
// which services there are or what they listen on (its caller gives it a new
// Table when that changes), opens no port, starts nothing (it asks its caller)
// and prints nothing but pages for the clients that it cannot serve.
package proxy
