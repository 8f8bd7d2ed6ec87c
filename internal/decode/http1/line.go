package http1

import (
	"bytes"
	"strings"
)

// requestLine is the first line of a request.
type requestLine struct {
	method, target, version string
}

const maxMethod = 32

// parseRequestLine reads a request's first line. A line without a version is one
// of HTTP/0.9. Spaces in the target, which some clients send, are kept.
func parseRequestLine(line string) (r requestLine, ok bool) {
	line = strings.TrimRight(line, " \t\r")
	method, rest, ok := strings.Cut(line, " ")
	if !ok || !isMethod(method) {
		return r, false
	}
	r.method = method
	i := strings.LastIndexByte(rest, ' ')
	if v, ok := version(rest[i+1:]); ok {
		r.version = v
		r.target = strings.Trim(rest[:max(i, 0)], " ")
		return r, v[0] < '2'
	}
	if method != "GET" || rest == "" || strings.ContainsAny(rest, " \t") || strings.IndexFunc(rest, isControl) >= 0 {
		return r, false
	}
	r.target, r.version = rest, "0.9"
	return r, true
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// version returns the number in HTTP/1.1, in any case.
func version(s string) (v string, ok bool) {
	if len(s) != len("HTTP/1.1") || !strings.EqualFold(s[:5], "HTTP/") || !isDigit(s[5]) || s[6] != '.' || !isDigit(s[7]) {
		return "", false
	}
	return s[5:], true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isMethod reports whether s may be a method: a token (RFC 9110 section 5.6.2),
// of which real ones have letters, "-" and "_" only.
func isMethod(s string) bool {
	if s == "" || len(s) > maxMethod {
		return false
	}
	for i := range len(s) {
		if !isMethodByte(s[i]) {
			return false
		}
	}
	return true
}

func isMethodByte(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_'
}

// mayBeRequest reports whether b may be the begin of a request, of which the
// first line is not all there.
func mayBeRequest(b []byte) bool {
	method, rest, found := bytes.Cut(b[:min(len(b), maxMethod+1)], []byte{' '})
	for _, c := range method {
		if !isMethodByte(c) {
			return false
		}
	}
	if !found {
		return len(method) <= maxMethod
	}
	return len(method) > 0 && !bytes.ContainsFunc(rest, func(c rune) bool { return c < ' ' && c != '\t' && c != '\r' || c == 0x7f })
}

// statusLine is the first line of a response.
type statusLine struct {
	version, status string
	code            int
}

// interim reports whether the response is followed by another one.
func (s *statusLine) interim() bool { return s.code < 200 && s.code != 101 }

// parseStatusLine reads a response's first line.
func parseStatusLine(line string) (r statusLine, ok bool) {
	line = strings.TrimRight(line, " \t\r")
	if len(line) < len("HTTP/1.1 200") || line[8] != ' ' {
		return r, false
	}
	if r.version, ok = version(line[:8]); !ok {
		return r, false
	}
	r.status = strings.TrimLeft(line[9:], " ")
	if len(r.status) < 3 || len(r.status) > 3 && r.status[3] != ' ' {
		return r, false
	}
	for i := range 3 {
		if !isDigit(r.status[i]) {
			return r, false
		}
		r.code = r.code*10 + int(r.status[i]-'0')
	}
	return r, r.code >= 100
}

// mayBeResponse reports whether b may be the begin of a response, of which the
// first line is not all there.
func mayBeResponse(b []byte) bool {
	const begin = "HTTP/"
	n := min(len(b), len(begin))
	return strings.EqualFold(string(b[:n]), begin[:n])
}

// methods are those that are looked for after a gap, where a request may follow
// the end of a body on the same line.
var methods = [...]string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "UNLOCK", "LOCK", "REPORT", "SEARCH", "PURGE", "QUERY"}

// findRequest returns where in a line, which is complete, a request line begins,
// or -1.
func findRequest(line []byte) int {
	line = bytes.TrimRight(line, " \t\r")
	end := bytes.LastIndexByte(line, ' ')
	if end < 0 {
		return -1
	}
	if v, ok := version(string(line[end+1:])); !ok || v[0] != '1' {
		return -1
	}
	middle := bytes.LastIndexByte(line[:end], ' ')
	if middle <= 0 || middle+1 == end || bytes.ContainsFunc(line[middle+1:end], isControl) {
		return -1
	}
	before := line[:middle]
	if isMethod(string(before)) && strings.ToUpper(string(before)) == string(before) {
		return 0
	}
	for _, m := range methods {
		if bytes.HasSuffix(before, []byte(m)) {
			return len(before) - len(m)
		}
	}
	return -1
}

// maxStatusLine is how long a status line may be that is found after a gap.
const maxStatusLine = 512

// findResponse returns where in a line, which is complete, a status line begins,
// or -1.
func findResponse(line []byte) int {
	from := max(0, len(line)-maxStatusLine)
	for {
		i := bytes.Index(line[from:], []byte("HTTP/1."))
		if i < 0 {
			return -1
		}
		from += i
		if _, ok := parseStatusLine(string(line[from:])); ok {
			return from
		}
		from++
	}
}
