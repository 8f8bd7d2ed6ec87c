// Package decode has what the decoders of protocols share: the bytes of one
// connection go in, in order and with their times, and [Exchange] values come
// out, one for each request with its response.
//
// A protocol is a [Protocol] in a package of its own below this one: a function
// that recognises it by its first bytes, and a [Decoder]. [Flow] is one
// connection: it finds the protocol and hands the bytes to its decoder.
// docs/contributing/decoder.md is the page for those who add one.
//
// The package and those below it are pure: no I/O, no clock, no goroutine. What
// they read comes from programs that are not trusted: they never panic, and
// keep a bounded amount of memory for each connection ([Limits]).
package decode
