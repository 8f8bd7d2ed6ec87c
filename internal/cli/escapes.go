package cli

import (
	"strings"
	"unicode/utf8"
)

// escapes takes control characters and escape sequences (ECMA-48) out of what a
// service printed, but for colours (SGR): others would change the clipboard, the
// title or the screen of whoever reads the log. It is the state between pieces of
// one line; the zero value is that at a line's beginning.
type escapes struct {
	state   escState
	params  []byte // of the control sequence, with its introducer
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
	// sgrReset ends colours at the line's end.
	sgrReset = "\x1b[0m"
	// maxSGR bounds a sequence of colours.
	maxSGR = 64
)

// clean appends text to dst as it may be shown. Colours that are on at its end are
// switched off there.
func (e *escapes) clean(dst []byte, text string) []byte {
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
		dst = append(dst, sgrReset...)
	}
	return dst
}

// next takes one character, which stands in the text as raw.
func (e *escapes) next(dst []byte, r rune, raw string) []byte {
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
		// no character to show; a sequence goes on after it
	default:
		e.state = escNone
		dst = append(dst, raw...)
	}
	return dst
}

// begin takes the character after ESC.
func (e *escapes) begin(r rune) {
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
func (e *escapes) control(dst []byte, r rune) []byte {
	switch {
	case r == 'm' && isSGR(e.params):
		dst = append(append(append(dst, esc, '['), e.params...), 'm')
		e.colored = !isReset(e.params)
		e.state = escNone
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

// cleaned is text as it may be shown.
func cleaned(text string) string {
	var e escapes
	return string(e.clean(nil, text))
}
