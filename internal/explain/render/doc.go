// Package render makes the answer to a question of facts and of what rules found:
// sentences, evidence as lines, hints, and the JSON of all. How it is laid out for a
// terminal is not its business.
//
// It is pure.
package render
