// Package answer identifies what a server speaks from what it has said: pure
// functions over bounded bytes, one for each protocol. They know what was asked
// and nothing of connections, which are package probe's.
package answer
