// Package policy decides what may happen to a request: which service its Host
// means, whether the page that made it may ask for that, and whether the service
// can be asked now. It is pure: a table and the head of a request in, a decision
// out.
//
// host.go checks the Host, crosssite.go the page that asks, decide.go all in their
// order. What the client is told of a refusal is in package pages.
package policy
