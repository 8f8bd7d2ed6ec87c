// Package captures reads capture files as `lodge tap -r` does: those of the decoders'
// tests, and those in the directories that LODGE_CAPTURES names, such as collections of
// captures that others made (`make test-captures CAPTURES=DIR`).
//
// Each file is read without a crash, every layer accounts for what it was given, and what
// is written as pcapng and read again gives the same records. The exchanges of those in
// LODGE_CAPTURES and of those in testdata are compared with tshark's, whatever the
// protocol; where they differ, testdata/differences says who is right and why.
package captures
