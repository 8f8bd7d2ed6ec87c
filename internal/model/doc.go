// Package model has the words that the parts of lodge exchange and that its JSON
// is made of: what was found ([Finding]), what shows it ([Evidence]), where
// ([Endpoint]), by which process ([Process]), and what failed ([Error]).
//
// It is pure: plain values, the standard library and package loopback only.
package model
