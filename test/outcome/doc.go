// Package outcome reads streams of `go test -json` and keeps what they say of
// each test: passed, failed, skipped, and its output. It decides nothing about
// a run; the programs test/runner and test/kernels do.
package outcome
