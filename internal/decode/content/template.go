package content

import "strings"

// placeholder stands for what differs from one path to the next.
const placeholder = "{id}"

// Template returns a request's target without its query, and with {id} in the
// place of each segment that identifies one of many: a number, a UUID, a ULID, or
// hexadecimal digits of 16 and more, each with or without an extension. The
// target may be a whole address, of which only the path is kept; other targets
// (an authority, "*") are returned as they are.
func Template(target string) string {
	path := target
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if i := strings.Index(path, "://"); i > 0 && strings.IndexByte(path[:i], '/') < 0 {
		path = path[i+3:]
		if i = strings.IndexByte(path, '/'); i < 0 {
			return "/"
		}
		path = path[i:]
	}
	if !strings.HasPrefix(path, "/") || !strings.ContainsAny(path, "0123456789") && !mayBeHex(path) {
		return path
	}
	var b strings.Builder
	done := 0
	for begin := 1; begin <= len(path); {
		end := len(path)
		if i := strings.IndexByte(path[begin:], '/'); i >= 0 {
			end = begin + i
		}
		name := path[begin:end]
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			name = name[:dot]
		}
		if isIdentifier(name) {
			b.WriteString(path[done:begin] + placeholder)
			done = begin + len(name)
		}
		begin = end + 1
	}
	if done == 0 {
		return path
	}
	b.WriteString(path[done:])
	return b.String()
}

// mayBeHex reports whether a path without digits has a segment that is long
// enough for letters alone to be hexadecimal digits.
func mayBeHex(path string) bool { return len(path) > 16 }

func isIdentifier(s string) bool {
	digits, hex := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
			hex++
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			hex++
		}
	}
	switch n := len(s); {
	case n == 0:
		return false
	case digits == n:
		return true
	case hex == n && n >= 16:
		return true
	case n == 36 && hex == 32:
		return s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
	case n == 26 && digits >= 4:
		return isULID(s)
	}
	return false
}

// isULID reports whether s is 26 digits of Crockford's base 32.
func isULID(s string) bool {
	if s[0] < '0' || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			c |= 0x20
		}
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' && c != 'i' && c != 'l' && c != 'o' && c != 'u') {
			return false
		}
	}
	return true
}
