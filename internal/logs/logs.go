// Package logs keeps what services print: on disk, with rotation, and the
// last lines in memory; and it reads that back, merged by time, while and
// after the services run.
//
// It never makes a service wait or fail because of a disk: what cannot be
// written stays in memory, as far as that goes, and is written later. It does
// not interpret lines, and it prints nothing for people.
//
// A service's lines are in the file SERVICE.log, older ones in SERVICE.log.1
// and so on. A record is a time (RFC 3339, UTC, always nine digits of
// fraction), a space, the text, and a line feed. In place of the space stands
// ">" where the line goes on in the next record, "<" where it continues the one
// before, "=" for both, "!" for what lodge itself says. Bytes in a service's name
// other than letters, digits, "-", "_" and "." are written as %XX in the file's name.
package logs

import "time"

// MaxText is the length, in bytes, above which a line is split into several.
const MaxText = 64 << 10

// Line is one line of output. Text holds the bytes as they were printed,
// without the line end; encoding/json replaces what is not UTF-8.
type Line struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Text    string    `json:"text"`
	// Partial: the line was too long, and goes on with the service's next one.
	// Continuation: it continues the service's line before, which was too long
	// or had no end when it was given out, such as a prompt.
	Partial      bool `json:"partial,omitempty"`
	Continuation bool `json:"continuation,omitempty"`
	// Note: lodge itself says it, and not the service.
	Note bool `json:"note,omitempty"`
	// Lost is how many lines are missing here because the reader of a Follow
	// was too slow, -1 for a number that is not known. Text says so in words.
	Lost int `json:"lost,omitempty"`
}

// Query says which lines to read.
type Query struct {
	// Services to read; nil means all that there are.
	Services []string
	// Since is the time of the first line, Until that of the last one that
	// can be part of the answer; zero means no bound. What a service said after
	// its first line counts, also where the clock was set back meanwhile.
	Since, Until time.Time
	// Tail is the number of lines wanted, counted from the last, over all
	// services; zero means all.
	Tail int
}
