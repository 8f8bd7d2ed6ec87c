package tap

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/show"
)

// follow returns what prints the bytes of the connection that --follow names, or nil
// where none is named: "> " before what the client sent, "< " before what the server did.
func follow(r *run) func(connection uint64, s decode.Side, at time.Time, b []byte) {
	if r.flags.Follow == 0 {
		return nil
	}
	var last time.Time
	turn := -1
	return func(connection uint64, s decode.Side, at time.Time, b []byte) {
		if connection != r.flags.Follow {
			return
		}
		r.followed = true
		var out strings.Builder
		if int(s) != turn {
			turn = int(s)
			took := ""
			if !last.IsZero() {
				took = ", after " + show.Latency(float64(at.Sub(last))/float64(time.Microsecond))
			}
			fmt.Fprintf(&out, "%s %s%s\n", at.Local().Format("15:04:05.000000"), s, took)
		}
		last = at
		mark := "> "
		if s == decode.Server {
			mark = "< "
		}
		writeStream(&out, mark, b)
		if _, err := r.kit.Out.Write([]byte(out.String())); err != nil {
			r.out.fail(fmt.Errorf("print: %w", err))
		}
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
