package forms

import "strings"

// Identifiers replaces numbers by {n}, and words that look made by a program by {id}.
func Identifiers(s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if isUUID(s[i:]) && (i == 0 || !IsWord(s[i-1])) {
			b.WriteString("{id}")
			i += 36
			continue
		}
		n := Span(s[i:], isLetterOrDigit)
		if n == 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		switch word := s[i : i+n]; {
		case Span(word, IsDigit) == n:
			b.WriteString("{n}")
		case looksMade(word):
			b.WriteString("{id}")
		default:
			b.WriteString(word)
		}
		i += n
	}
	return b.String()
}

func isLetterOrDigit(c byte) bool { return IsWord(c) && c != '_' }

// looksMade reports whether a word is one that nobody would write: hexadecimal digits, or
// many letters and digits.
func looksMade(word string) bool {
	digits := 0
	for i := range len(word) {
		if IsDigit(word[i]) {
			digits++
		}
	}
	if digits == 0 {
		return false
	}
	return len(word) >= 6 && Span(word, isHex) == len(word) || len(word) >= 16 && digits >= 4
}
