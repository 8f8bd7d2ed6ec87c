package show

import (
	"strings"
	"unicode/utf8"
)

// Sequences removes escape sequences (ECMA-48) and control characters but for tabs
// from the pieces of one line, of which each may end within a sequence. The zero
// value is the state at the beginning of a line.
type Sequences struct {
	// Colors keeps colours (SGR) and switches them off at the end of each piece.
	// Other sequences would change the clipboard, the title or the screen.
	Colors bool
	// controls keeps control characters, which [Clean] then marks.
	controls bool

	state  escState
	params []byte // of the control sequence, with its introducer
	// colored reports that a colour is on.
	colored bool
}

type escState uint8

const (
	escNone      escState = iota
	escBegun              // after ESC
	escNF                 // after ESC and an intermediate byte
	escCSI                // in a control sequence
	escString             // in a string: OSC, DCS, SOS, PM, APC
	escStringEnd          // in a string, after ESC
)

const (
	esc = 0x1b
	bel = 0x07
	// maxSGR bounds a sequence of colours.
	maxSGR = 64
)

// Pending reports whether the text so far ends within a sequence.
func (e *Sequences) Pending() bool { return e.state != escNone }

// Append appends a piece of the line to dst. Colours that are on at its end are
// switched off there.
func (e *Sequences) Append(dst []byte, text string) []byte {
	if e.state == escNone && !e.colored && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
	}) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		raw := text[:n]
		text = text[n:]
		if r == utf8.RuneError && n == 1 && raw[0] < 0xa0 {
			continue // to a terminal of 8 bits a control character
		}
		dst = e.next(dst, r, raw)
	}
	if e.colored {
		e.colored = false
		dst = append(dst, reset...)
	}
	return dst
}

// next takes one character, which stands in the text as raw.
func (e *Sequences) next(dst []byte, r rune, raw string) []byte {
	switch e.state {
	case escString:
		switch r {
		case esc:
			e.state = escStringEnd
		case bel, 0x9c:
			e.state = escNone
		}
		return dst
	case escStringEnd:
		if r == '\\' {
			e.state = escNone
			return dst
		}
		e.state = escBegun // the string was given up for another sequence
	}
	switch {
	case r == esc:
		e.state = escBegun
	case r >= 0x80 && r < 0xa0:
		e.begin(r - 0x40)
	case e.state == escBegun && r >= ' ' && r < 0x7f:
		e.begin(r)
	case e.state == escNF:
		if r < 0x20 || r > 0x2f {
			e.state = escNone
		}
	case e.state == escCSI:
		return e.control(dst, r)
	case r < ' ' && r != '\t', r == 0x7f:
		if e.controls { // else there is nothing to show; a sequence goes on after it
			dst = append(dst, raw...)
		}
	default:
		e.state = escNone
		dst = append(dst, raw...)
	}
	return dst
}

// begin takes the character after ESC.
func (e *Sequences) begin(r rune) {
	switch {
	case r == '[':
		e.state, e.params = escCSI, e.params[:0]
	case strings.ContainsRune("]PX^_", r):
		e.state = escString
	case r >= 0x20 && r <= 0x2f:
		e.state = escNF
	default:
		e.state = escNone
	}
}

// control takes a character of a control sequence.
func (e *Sequences) control(dst []byte, r rune) []byte {
	switch {
	case r == 'm' && isSGR(e.params):
		e.state = escNone
		if e.Colors {
			dst = append(append(append(dst, esc, '['), e.params...), 'm')
			e.colored = !isReset(e.params)
		}
	case r >= 0x40 && r <= 0x7e:
		e.state = escNone
	case r >= 0x20 && r <= 0x3f:
		if len(e.params) <= maxSGR {
			e.params = append(e.params, byte(r))
		}
	case r < 0x20 || r == 0x7f: // a terminal acts on it and goes on
	default:
		e.state = escNone
	}
	return dst
}

// isSGR reports whether the parameters are those of colours and no private ones.
func isSGR(params []byte) bool {
	for _, c := range params {
		if (c < '0' || c > '9') && c != ';' && c != ':' {
			return false
		}
	}
	return len(params) <= maxSGR
}

func isReset(params []byte) bool {
	return len(params) == 0 || strings.Trim(string(params), "0") == ""
}

// Colored returns text without escape sequences other than colours, and without
// control characters but for tabs.
func Colored(text string) string {
	e := Sequences{Colors: true}
	return string(e.Append(nil, text))
}

// Plain returns text without escape sequences, and without control characters but
// for tabs.
func Plain(text string) string {
	var e Sequences
	return string(e.Append(nil, text))
}

// stripped is Plain with the control characters that are in no sequence.
func stripped(text string) string {
	e := Sequences{controls: true}
	return string(e.Append(nil, text))
}
