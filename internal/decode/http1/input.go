package http1

import (
	"bytes"

	"lodge/internal/decode"
)

// input is what a side sent and was not read yet, with how far it was looked at:
// bytes that come one at a time are not looked at again and again.
type input struct {
	decode.Buffer
	limit   int  // of a head
	scanned int  // so many bytes have no end of the head, or of the line
	judged  bool // the first line of the message is one
	inLine  bool // in a head that is too long: the begin of the line was skipped
}

// consume drops n bytes.
func (in *input) consume(n int) {
	in.Advance(int64(n))
	in.scanned, in.judged = 0, false
}

// blank skips empty lines before a message (RFC 9112 section 2.2), and reports
// whether something else is there.
func (in *input) blank() bool {
	b := in.Bytes()
	n := 0
	for n < len(b) && (b[n] == '\n' || b[n] == '\r' && n+1 < len(b) && b[n+1] == '\n') {
		n++
	}
	if n > 0 {
		in.consume(n)
	}
	return n < len(b) && !(n == len(b)-1 && b[n] == '\r')
}

// firstLine returns the first line of a message, which is judged by its first
// bytes where it is very long, and reports whether it is there.
func (in *input) firstLine() (line string, there bool) {
	b := in.Bytes()
	i := bytes.IndexByte(b[in.scanned:], '\n')
	if i < 0 {
		in.scanned = len(b)
		return "", false
	}
	return string(b[:in.scanned+i]), true
}

// headBytes returns how long the head at the begin of the buffer is. Where it is
// longer than what is held, long is true and n what is read of it.
func (in *input) headBytes() (n int, long, ok bool) {
	b := in.Bytes()
	limit := in.limit
	end, next := headEnd(b, in.scanned)
	if end > 0 && end <= limit {
		return end, false, true
	}
	in.scanned = next
	if end < 0 && len(b) <= limit {
		return 0, false, false
	}
	for n = limit; n > 0 && b[n-1] != '\n'; {
		n--
	}
	if in.inLine = n == 0; in.inLine {
		n = limit // the first line alone is too long
	}
	return n, true, true
}

// line returns the next line without its end, and how long it is with it; n is 0
// where it is not there, and -1 where it is longer than limit.
func (in *input) line(limit int) (line []byte, n int) {
	b := in.Bytes()
	i := bytes.IndexByte(b[in.scanned:], '\n')
	if i < 0 || i+in.scanned > limit {
		in.scanned = len(b)
		if i >= 0 || len(b) > limit {
			return nil, -1
		}
		return nil, 0
	}
	i += in.scanned
	return bytes.TrimSuffix(b[:i], []byte{'\r'}), i + 1
}
