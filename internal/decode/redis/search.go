package redis

import (
	"bytes"
	"strconv"

	"lodge/internal/decode"
)

// search is what is known while the begin of a value is looked for, after bytes
// that could not be read.
type search struct {
	why    decode.LossReason // empty: it is not looked for
	inLine bool              // what comes next is not the begin of a line
	passed int64             // bytes that were passed over
}

// look looks for the begin of a value of a side, and reports whether it found
// one.
func (d *decoder) look(s decode.Side) bool {
	q, f := &d.in[s], &d.search[s]
	fits := likeAnswer
	if s == decode.Client || d.replica != nil && d.replica.rdb == nil {
		fits = likeCommand
	}
	for q.Len() > 0 {
		b := q.Bytes()
		if f.inLine {
			n := bytes.IndexByte(b, '\n') + 1
			f.inLine = n == 0
			if n == 0 {
				n = len(b)
			}
			f.passed += int64(n)
			q.Advance(int64(n))
			continue
		}
		switch fits(b) {
		case decode.Yes:
			d.found(s)
			return true
		case decode.Maybe:
			return false
		}
		f.inLine = true
	}
	return false
}

// found ends a search, and counts what was passed over.
func (d *decoder) found(s decode.Side) {
	f := &d.search[s]
	if f.passed > 0 {
		d.Lost(decode.Loss{Protocol: Name, Side: s, Reason: f.why, Bytes: f.passed})
	}
	*f = search{}
}

// likeCommand judges whether bytes begin a command: an array of strings, the
// first of which begins with a letter.
func likeCommand(b []byte) decode.Verdict {
	n, v := likeHeader(b, '*')
	if v != decode.Yes {
		return v
	}
	m, v := likeHeader(b[n:], '$')
	switch {
	case v != decode.Yes:
		return v
	case len(b) == n+m:
		return decode.Maybe
	case !isLetter(b[n+m]):
		return decode.No
	}
	return decode.Yes
}

func isLetter(b byte) bool { return 'a' <= lower(b) && lower(b) <= 'z' }

// likeHeader judges whether bytes begin with a type and a positive number, and
// returns their length.
func likeHeader(b []byte, typ byte) (int, decode.Verdict) {
	if len(b) == 0 {
		return 0, decode.Maybe
	}
	if b[0] != typ {
		return 0, decode.No
	}
	for i, c := range b[1:] {
		switch {
		case '0' <= c && c <= '9' && i < 10:
		case c == '\r' && i > 0:
			if len(b) == i+2 {
				return 0, decode.Maybe
			}
			if b[i+2] != '\n' || b[1] == '0' {
				return 0, decode.No
			}
			return i + 3, decode.Yes
		default:
			return 0, decode.No
		}
	}
	return 0, decode.Maybe
}

// longLine is the length of a line of text that an answer may begin with.
const longLine = 512

// likeAnswer judges whether bytes begin an answer, by its first line.
func likeAnswer(b []byte) decode.Verdict {
	i := bytes.IndexByte(b[:min(len(b), longLine)], '\n')
	line := b
	switch {
	case i > 1 && b[i-1] == '\r':
		line = b[1 : i-1]
	case i >= 0 || len(b) >= longLine:
		return decode.No
	default:
		line = bytes.TrimSuffix(b[1:], []byte{'\r'})
	}
	if !fitsType(b[0], line, i >= 0) {
		return decode.No
	}
	if i < 0 {
		return decode.Maybe
	}
	return decode.Yes
}

// fitsType judges the rest of a line that begins with a type; whole reports that
// all of it is there.
func fitsType(typ byte, line []byte, whole bool) bool {
	switch typ {
	case '+', '-':
		for _, c := range line {
			if c < ' ' || c == 0x7f {
				return false
			}
		}
		return typ == '+' || len(line) == 0 || 'A' <= line[0] && line[0] <= 'Z'
	case '_':
		return len(line) == 0
	case '#':
		return len(line) == 0 && !whole || string(line) == "t" || string(line) == "f"
	case ':', ',', '(':
		return len(line) < 64 && (!whole || isNumber(line))
	case '$', '*', '%', '~', '>', '=', '!', '|':
		if !whole {
			return len(line) <= 20 && bytes.Trim(line, "-0123456789?") == nil
		}
		_, ok := length(line)
		return ok
	}
	return false
}

func isNumber(s []byte) bool {
	_, err := strconv.ParseFloat(string(s), 64)
	return err == nil
}
