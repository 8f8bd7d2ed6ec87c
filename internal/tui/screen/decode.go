package screen

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Event is one event of the keyboard: a key or a paste.
type Event struct {
	// Key is the key's name: up, pgdown, ctrl+c, a, K, space.
	Key string
	// Paste is the text of a bracketed paste, if Pasted is set.
	Paste  string
	Pasted bool
}

// decoder turns the bytes that a terminal sends into keys: UTF-8, control
// characters, and the sequences of ECMA-48 as xterm, the Linux console, screen
// and tmux send them (xterm's ctlseqs, "PC-Style Function Keys"). It drops
// unknown sequences, and buffers at most one sequence or one paste.
type decoder struct {
	buf     []byte
	pasting bool
}

// The bounds of what is buffered, in bytes. No terminal sends a longer sequence.
const (
	sequenceMost = 64
	stringMost   = 4096
	pasteMost    = 64 << 10
)

var pasteEnd = []byte("\x1b[201~")

// feed takes bytes and returns the events that are complete.
func (d *decoder) feed(b []byte) []Event {
	d.buf = append(d.buf, b...)
	return d.decode(false)
}

// pending reports whether the begin of a sequence is buffered, such as an escape
// character, which may be the Escape key or begin another one.
func (d *decoder) pending() bool { return len(d.buf) > 0 && !d.pasting }

// expire decodes what is pending as complete: nothing more came within escapeTime.
func (d *decoder) expire() []Event { return d.decode(true) }

func (d *decoder) decode(over bool) []Event {
	var out []Event
	for len(d.buf) > 0 {
		if d.pasting {
			i := bytes.Index(d.buf, pasteEnd)
			if i < 0 {
				if len(d.buf) > pasteMost+len(pasteEnd) { // keep what may be the begin of pasteEnd
					d.buf = append(d.buf[:pasteMost], d.buf[len(d.buf)-len(pasteEnd):]...)
				}
				return out
			}
			out = append(out, Event{Paste: string(d.buf[:min(i, pasteMost)]), Pasted: true})
			d.buf, d.pasting = d.buf[i+len(pasteEnd):], false
			continue
		}
		key, n := decodeKey(d.buf)
		if n == 0 { // not complete
			if !over {
				return out
			}
			key, n = "", len(d.buf)
			if d.buf[0] == 0x1b && n == 1 {
				key = "esc"
			}
		}
		d.buf = d.buf[n:]
		switch key {
		case "":
		case "paste":
			d.pasting = true
		default:
			out = append(out, Event{Key: key})
		}
	}
	d.buf = nil
	return out
}

// decodeKey decodes one key and returns its length in bytes: zero if it is not
// complete. The key is "" for a sequence that is no known key.
func decodeKey(b []byte) (key string, n int) {
	switch c := b[0]; {
	case c == 0x1b:
		return decodeEscape(b)
	case c == ' ':
		return "space", 1
	case c == '\r':
		return "enter", 1
	case c == '\t':
		return "tab", 1
	case c == 0x7f:
		return "backspace", 1
	case c == 0:
		return "ctrl+space", 1
	case c <= 26:
		return "ctrl+" + string(rune('a'+c-1)), 1
	case c < ' ':
		return "", 1
	}
	if !utf8.FullRune(b) {
		return "", 0
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
		return "", n
	}
	return string(r), n
}

func decodeEscape(b []byte) (string, int) {
	if len(b) == 1 {
		return "", 0
	}
	switch b[1] {
	case 0x1b: // the first one is the Escape key
		return "esc", 1
	case '[':
		return decodeCSI(b)
	case 'O': // SS3
		if len(b) < 3 {
			return "", 0
		}
		return letterKey(b[2]), 3
	case ']', 'P', '_', '^', 'X':
		// A control string, such as the answer to a query: up to BEL or ST.
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 {
				return "", i + 1
			}
			if b[i] == 0x1b && i+1 < len(b) {
				if b[i+1] == '\\' {
					return "", i + 2
				}
				return "", i
			}
		}
		if len(b) > stringMost {
			return "", len(b)
		}
		return "", 0
	}
	key, n := decodeKey(b[1:])
	if n == 0 {
		return "", 0
	}
	if key == "" {
		return "", n + 1
	}
	return "alt+" + key, n + 1
}

// decodeCSI decodes ESC [ parameters final (ECMA-48, section 5.4).
func decodeCSI(b []byte) (string, int) {
	if len(b) > 2 && b[2] == '[' { // F1 to F5 of the Linux console (console_codes(4))
		if len(b) < 4 {
			return "", 0
		}
		return "", 4
	}
	i := 2
	for i < len(b) && b[i] >= 0x20 && b[i] <= 0x3f {
		i++
	}
	switch {
	case i > sequenceMost:
		return "", i
	case i == len(b):
		return "", 0
	case b[i] < 0x40 || b[i] > 0x7e:
		return "", i // the byte that broke the sequence off is decoded by itself
	}
	// Modifiers follow a semicolon; they are ignored.
	number, _, _ := strings.Cut(string(b[2:i]), ";")
	if b[i] != '~' {
		return letterKey(b[i]), i + 1
	}
	switch number {
	case "1", "7":
		return "home", i + 1
	case "2":
		return "insert", i + 1
	case "3":
		return "delete", i + 1
	case "4", "8":
		return "end", i + 1
	case "5":
		return "pgup", i + 1
	case "6":
		return "pgdown", i + 1
	case "11":
		return "f1", i + 1
	case "200":
		return "paste", i + 1
	}
	return "", i + 1
}

// letterKey returns the key of a sequence that ends with the letter c.
func letterKey(c byte) string {
	switch c {
	case 'A':
		return "up"
	case 'B':
		return "down"
	case 'C':
		return "right"
	case 'D':
		return "left"
	case 'H':
		return "home"
	case 'F':
		return "end"
	case 'Z':
		return "shift+tab"
	case 'M': // Enter of the keypad
		return "enter"
	case 'P':
		return "f1"
	}
	return ""
}
