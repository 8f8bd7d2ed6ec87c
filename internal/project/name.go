package project

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxLabel is the longest DNS label in bytes (RFC 1035, section 2.3.4).
const maxLabel = 63

// labelProblem reports why name cannot be a host name label (RFC 1123, section
// 2.1, in lower case), or "".
func labelProblem(name string) string {
	if name == "" {
		return "a name cannot be empty"
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
		case r >= 'A' && r <= 'Z':
			return "a host name is written in lower case"
		case r == ' ':
			return "a host name has no spaces"
		default:
			return fmt.Sprintf("%q is not one of a-z, 0-9 and -", r)
		}
	}
	switch {
	case name[0] == '-':
		return "a host name does not begin with -"
	case name[len(name)-1] == '-':
		return "a host name does not end with -"
	case len(name) > maxLabel:
		return fmt.Sprintf("it has %d characters, and a host name label has at most %d", len(name), maxLabel)
	}
	return ""
}

// toLabel makes a host name label of anything, or "" where nothing is left.
func toLabel(s string) string {
	var b strings.Builder
	// What is written with Latin letters stays legible: ü is taken apart into u
	// and a mark (Unicode, annex 15, form D), the mark is left out.
	for _, r := range norm.NFD.String(latin().Replace(strings.ToLower(s))) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == maxLabel {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// latin writes letters out that have no parts.
func latin() *strings.Replacer {
	return strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")
}

// joinLabel makes one label of a branch and of a project's name, which is one. What is too long is cut
// and gets six digits of a hash in place of the rest, so that two long branches
// keep two names.
func joinLabel(branch, name string) string {
	label := toLabel(branch)
	switch {
	case label == "":
		return name
	case len(label)+1+len(name) <= maxLabel:
		return label + "-" + name
	}
	sum := sha256.Sum256([]byte(branch + "-" + name))
	mark := "-" + hex.EncodeToString(sum[:3]) + "-"
	name = strings.Trim(cut(name, 30), "-")
	return strings.Trim(cut(label, maxLabel-len(mark)-len(name)), "-") + mark + name
}

// cut returns at most n bytes of s, which is ASCII.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}
