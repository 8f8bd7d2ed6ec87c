package procfs

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CommandLine makes one line of /proc/PID/cmdline: the arguments, each quoted
// for a shell where it has blanks or the like. A control character or a byte
// that is no UTF-8 is written as in $'...', so that the line can be printed.
// A program may have overwritten its arguments with a title: one text, ended
// by blanks or NULs, which stays as it is. Empty arguments at the end cannot
// be told from that, and are left out.
func CommandLine(b []byte) string {
	b = bytes.TrimRight(b, "\x00")
	var out strings.Builder
	if bytes.IndexByte(b, 0) < 0 {
		// One argument, or a title such as "nginx: worker process".
		b = bytes.TrimRight(b, " \n")
		if s := string(b); printable(s) {
			return s
		}
		quote(&out, string(b))
		return out.String()
	}
	for i := 0; ; i++ {
		arg, rest, more := bytes.Cut(b, []byte{0})
		if i > 0 {
			out.WriteByte(' ')
		}
		quote(&out, string(arg))
		if !more {
			return out.String()
		}
		b = rest
	}
}

const plain = "%+,-./:=@_^"

func quote(out *strings.Builder, arg string) {
	safe := arg != ""
	for _, r := range arg {
		if r >= utf8.RuneSelf || !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(plain, r)) {
			safe = false
			break
		}
	}
	switch {
	case safe:
		out.WriteString(arg)
	case printable(arg):
		out.WriteByte('\'')
		out.WriteString(strings.ReplaceAll(arg, "'", `'\''`))
		out.WriteByte('\'')
	default:
		out.WriteString("$'")
		for i := 0; i < len(arg); {
			r, n := utf8.DecodeRuneInString(arg[i:])
			switch {
			case r == utf8.RuneError && n <= 1:
				escapeByte(out, arg[i])
			case r == '\'' || r == '\\':
				out.WriteByte('\\')
				out.WriteRune(r)
			case r == '\n':
				out.WriteString(`\n`)
			case r == '\t':
				out.WriteString(`\t`)
			case unicode.IsPrint(r):
				out.WriteRune(r)
			default:
				for j := range n {
					escapeByte(out, arg[i+j])
				}
			}
			i += n
		}
		out.WriteByte('\'')
	}
}

func escapeByte(out *strings.Builder, b byte) {
	const hex = "0123456789abcdef"
	out.WriteString(`\x`)
	out.WriteByte(hex[b>>4])
	out.WriteByte(hex[b&15])
}

func printable(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n <= 1 {
				return false
			}
		}
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
