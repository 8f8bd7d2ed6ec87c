package tui

import "unicode/utf8"

// input is a line that is being typed. Its cursor is at its end: what is typed
// here is short.
type input struct{ runes []rune }

// inputMost bounds what can be typed.
const inputMost = 200

func newInput(s string) input { return input{[]rune(s)} }

func (in *input) text() string { return string(in.runes) }

// key takes a key and reports whether the text changed.
func (in *input) key(k string) bool {
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
