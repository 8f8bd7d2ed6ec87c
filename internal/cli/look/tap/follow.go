package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/show"
)

// follower prints the bytes of the connection that --follow names: "> " before what the
// client sent, "< " before what the server did. A goroutine of its own prints, so that a
// signal ends the run also where nothing is read.
type follower struct {
	connection  uint64
	interrupted context.Context
	texts       chan string
	ended       chan struct{}
	fail        func(error)

	// By the goroutine of the engine:
	seen bool // bytes of the connection came
	last time.Time
	turn int // the side that sent last
}

// newFollower starts the goroutine. interrupted ends at a signal, fail gets an error.
func newFollower(interrupted context.Context, out io.Writer, connection uint64, fail func(error)) *follower {
	f := &follower{connection: connection, interrupted: interrupted, texts: make(chan string, 64), ended: make(chan struct{}), fail: fail, turn: -1}
	go func() {
		defer close(f.ended)
		var err error
		for text := range f.texts {
			if err != nil {
				continue
			}
			if _, err = io.WriteString(out, text); err != nil {
				fail(fmt.Errorf("print: %w", err))
			}
		}
	}()
	return f
}

// bytes returns what takes the bytes of connections, nil where none is followed.
func (f *follower) bytes() func(connection uint64, s decode.Side, at time.Time, b []byte) {
	if f == nil {
		return nil
	}
	return f.take
}

func (f *follower) take(connection uint64, s decode.Side, at time.Time, b []byte) {
	if connection != f.connection {
		return
	}
	f.seen = true
	var out strings.Builder
	if int(s) != f.turn {
		f.turn = int(s)
		took := ""
		if !f.last.IsZero() {
			took = ", after " + show.Latency(float64(at.Sub(f.last))/float64(time.Microsecond))
		}
		fmt.Fprintf(&out, "%s %s%s\n", at.Local().Format("15:04:05.000000"), s, took)
	}
	f.last = at
	mark := "> "
	if s == decode.Server {
		mark = "< "
	}
	writeStream(&out, mark, b)
	select {
	case f.texts <- out.String():
	case <-f.interrupted.Done():
		f.fail(errUnread)
	}
}

// errUnread is the error of bytes of a connection that were not printed.
var errUnread = errors.New("print: the output was not read in time")

// close waits until all is printed, from a signal on for a moment.
func (f *follower) close() {
	if f == nil {
		return
	}
	close(f.texts)
	if !lastOf(f.interrupted, f.ended) {
		f.fail(errUnread)
	}
}

// writeStream prints bytes: as lines where they are text, else in hexadecimal with the
// text beside it.
func writeStream(out *strings.Builder, mark string, b []byte) {
	if utf8.Valid(b) && !strings.ContainsFunc(string(b), func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f }) {
		for line := range strings.Lines(string(b)) {
			out.WriteString(mark + show.CleanLine(strings.TrimRight(line, "\r\n"), false) + "\n")
		}
		return
	}
	const width = 16
	for len(b) > 0 {
		n := min(width, len(b))
		text := make([]byte, n)
		for i, c := range b[:n] {
			text[i] = '.'
			if c >= ' ' && c < 0x7f {
				text[i] = c
			}
		}
		fmt.Fprintf(out, "%s%-48s %s\n", mark, fmt.Sprintf("% x", b[:n]), text)
		b = b[n:]
	}
}
