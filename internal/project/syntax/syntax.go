package syntax

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// explainSyntax turns a message of the TOML parser into words for a person who
// writes lodge.toml twice a year. A message that it does not know passes
// through: it is right, only terse. offset is that of the error.
func explainSyntax(message string, data []byte, offset int) (text, hint string) {
	rest := data[offset:]
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	rest = bytes.TrimRight(rest, "\r")
	switch {
	case strings.Contains(message, "at start of value"), strings.HasPrefix(message, "expected keyword"):
		if len(rest) == 0 {
			return "the value is missing", ""
		}
		return "a value is missing its quotes", quoteHint(rest)
	case strings.Contains(message, "not end of input"):
		return "the value is missing", ""
	case strings.HasPrefix(message, "unterminated"), strings.HasPrefix(message, "basic strings cannot have new lines"),
		strings.HasPrefix(message, "literal strings cannot have new lines"):
		return "the string is not closed on its line", `close it, or write """ around several lines`
	case strings.HasPrefix(message, "multiline") && strings.Contains(message, "not terminated"):
		return "the string of several lines is not closed", ""
	case strings.HasPrefix(message, "array is incomplete"):
		return "the array is not closed", "a ] is missing"
	case strings.HasPrefix(message, "inline table is incomplete"):
		return "the table is not closed", "a } is missing"
	case strings.HasPrefix(message, "expected newline but got"):
		return fmt.Sprintf("%s after the end of a value", Ellipsis(string(rest))), "one key on a line; a comment begins with #"
	case strings.HasPrefix(message, "expected '=' after key"):
		if len(rest) > 0 && rest[0] == ':' {
			return "= is missing after the key", "TOML has = where YAML has :"
		}
		return "= is missing after the key", ""
	case strings.HasPrefix(message, "expected ',' or ']'"), strings.HasPrefix(message, "expected ',' or '}'"):
		return "a comma is missing between two values", ""
	case strings.HasPrefix(message, "expected ']'"):
		return "] is missing after the table's name", ""
	case strings.HasPrefix(message, "invalid character at start of key"):
		return fmt.Sprintf("a key cannot begin with %s", Ellipsis(firstRune(rest))), ""
	case strings.HasPrefix(message, "invalid escape character"):
		return `a backslash in "…" begins an escape, and this is none`, `write \\ for a backslash, or '…' for a string without escapes`
	}
	return "not TOML: " + message, ""
}

var bareWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_./][A-Za-z0-9_./ -]*`) })

// quoteHint suggests a string for a bare word.
func quoteHint(rest []byte) string {
	word := strings.TrimSpace(string(bareWord().Find(rest)))
	if word == "" {
		return `a string is written "so"`
	}
	if word == "True" || word == "False" {
		return "write " + strings.ToLower(word)
	}
	return "write " + Ellipsis(word)
}

func firstRune(b []byte) string {
	for _, r := range string(b) {
		return string(r)
	}
	return "a line end"
}
