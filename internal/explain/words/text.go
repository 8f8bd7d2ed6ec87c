package words

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lodge/internal/show"
)

// Join writes names as a person lists them.
func Join(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Count returns "1 one" or "n many".
func Count(n int, one, many string) string { return show.Count(n, one, many) }

func Upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || strings.Contains(s[:min(len(s), 24)], " (pid ") {
		return s // a program's name stays as it is
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// Printable returns a process's name, which may be any bytes.
func Printable(s string) string {
	if s == "" {
		return "?"
	}
	return show.Clean(s, false)
}

// PlainText returns a line of a program's output without colours and without what
// could harm a terminal.
func PlainText(s string) string { return show.CleanLine(s, false) }

// ShellWord writes a path as one word of a shell's command line (POSIX,
// Shell Command Language, section 2.2.2).
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Short writes a container's id as people do.
func Short(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}

func Add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func Strs(ips []netip.Addr) []string {
	var out []string
	for _, ip := range ips {
		out = append(out, ip.String())
	}
	return out
}

// Ago returns how long ago something was, in words.
func Ago(d time.Duration) string { return show.Ago(d) }
