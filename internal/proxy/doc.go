// Package proxy is the HTTP engine behind https://web.shop.localhost: it takes
// requests on listeners that it is given, finds by their Host which service
// they are for, decides whether they may pass, and carries them to the service
// and its answer back, without buffering either.
//
// There are two roads. Requests over HTTP/1 to services that speak HTTP/1 in
// the clear take the hot one (h1*.go): one goroutine a connection, heads read
// by fasthttp's parser and written anew, bodies relayed as they come. All
// else (HTTP/2 from the client, HTTP/2 or TLS to the service) goes through
// net/http (handler.go). Both share the routes, the policy, the pages and the
// pool of connections to services; docs/design/proxy.md says why there are two.
//
// It has no certificates (its caller gives it a tls.Config), does not know
// which services there are or what they listen on (its caller gives it a new
// Table when that changes), opens no port, starts nothing (it asks its caller)
// and prints nothing but pages for the clients that it cannot serve.
package proxy
