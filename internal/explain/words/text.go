package words

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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

func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func Upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || strings.Contains(s[:min(len(s), 24)], " (pid ") {
		return s // a program's name stays as it is
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// Printable writes a process's name, which may be any bytes.
func Printable(s string) string {
	if s == "" {
		return "?"
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// PlainText writes a line of a program's output without colours and without
// what could harm a terminal.
func PlainText(s string) string {
	var out strings.Builder
	for s != "" {
		before, after, found := strings.Cut(s, "\x1b[")
		out.WriteString(before)
		if !found {
			break
		}
		// A control sequence ends with its first byte from 0x40 on (ECMA-48, 5.4).
		end := strings.IndexFunc(after, func(c rune) bool { return c >= 0x40 && c <= 0x7e })
		if end < 0 {
			break
		}
		s = after[end+1:]
	}
	if out.Len() == 0 {
		return ""
	}
	return Printable(strings.ReplaceAll(out.String(), "\t", "    "))
}

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

// Ago writes how long something has been.
func Ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
