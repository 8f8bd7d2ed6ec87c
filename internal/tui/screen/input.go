package screen

import "unicode/utf8"

// Input is a line that is being typed. The cursor is always at its end.
type Input struct{ runes []rune }

// inputMost bounds the line, in runes.
const inputMost = 200

// NewInput returns a line that holds s.
func NewInput(s string) *Input { return &Input{[]rune(s)} }

// Text returns the line.
func (in *Input) Text() string { return string(in.runes) }

// Key takes a key and reports whether the text changed.
func (in *Input) Key(k string) bool {
	switch k {
	case "backspace", "ctrl+h":
		if len(in.runes) == 0 {
			return false
		}
		in.runes = in.runes[:len(in.runes)-1]
		return true
	case "ctrl+u":
		in.runes = nil
		return true
	case "ctrl+w":
		n := len(in.runes)
		for n > 0 && in.runes[n-1] == ' ' {
			n--
		}
		for n > 0 && in.runes[n-1] != ' ' {
			n--
		}
		in.runes = in.runes[:n]
		return true
	case "space":
		k = " "
	}
	r, n := utf8.DecodeRuneInString(k)
	if n != len(k) || r == utf8.RuneError || r < ' ' || r == 0x7f || len(in.runes) >= inputMost {
		return false
	}
	in.runes = append(in.runes, r)
	return true
}
