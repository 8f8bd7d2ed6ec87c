// Package upstream has the connections to services. [Pool] keeps those that speak
// HTTP/1, [Conn] is one of them, and [Transport] is net/http's client for services
// that speak HTTP/2 or TLS.
//
// It sends what it is given and reads heads of answers; which service is asked, and
// whether a request may be sent again, is its caller's to decide.
package upstream
