// Package route has the causes that lie on the way to an address: no route, lo that
// is down, an address of another machine or network namespace, the packet filter,
// no port left to connect from.
package route
