package message

import (
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/target"
)

// operation tells a failed bind from a failed connect, by the error and the
// words next to it.
func (r *reader) operation(k *mark, line int) Operation {
	text := strings.ToLower(r.lineText(line))
	at := min(k.start-r.lines[line].start, len(text))
	switch k.errno {
	case "EADDRINUSE":
		if strings.Contains(text, "connect eaddrinuse") {
			return Connect
		}
		return Bind
	case "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "ENOENT", "ENOTSOCK", "EPROTOTYPE", "EAGAIN":
		if (k.errno == "ENOENT" || k.errno == "ENOTSOCK") && nearest(text, at) == Bind {
			return Bind
		}
		return Connect
	}
	if op := nearest(text, at); op != "" {
		return op
	}
	if op := nearest(strings.ToLower(r.text), k.start); op != "" {
		return op
	}
	if k.errno == "EACCES" {
		return Bind // a connection is hardly ever denied
	}
	return "" // either
}

// nearest returns the operation whose word stands nearest to a position, before
// it rather than behind it.
func nearest(text string, at int) Operation {
	at = min(at, len(text))
	best, op := 1<<30, Operation("")
	try := func(o Operation, words ...string) {
		for _, w := range words {
			if i := strings.LastIndex(text[:at], w); i >= 0 && at-i < best {
				best, op = at-i, o
			}
			if i := strings.Index(text[at:], w); i >= 0 && 2*i+200 < best {
				best, op = 2*i+200, o
			}
		}
	}
	try(Bind, "bind", "listen", "make_sock", "start server", "starting server", "expose", "lock file", "eacces: permission denied")
	try(Connect, "connect", "dial ", "sendto", "reach", "verbind", "connexion", "conexión")
	return op
}

// protocol returns the protocol that was said: with the address, in its line, or
// in that of the error, or nearby: further away in a log it is another's.
func (r *reader) protocol(m *mention, line int) loopback.Protocol {
	if m.unix != "" {
		return ""
	}
	if m.protocol != "" {
		return m.protocol
	}
	for _, text := range []string{r.text[r.lines[m.line].start:m.start], r.lineText(m.line), r.lineText(line), r.nearby(line)} {
		text = reEither.get().ReplaceAllString(text, "")
		if x := reProtocol.get().FindAllStringSubmatch(text, -1); x != nil {
			return loopback.Protocol(strings.ToLower(x[len(x)-1][1]))
		}
	}
	return ""
}

// nearby returns a line with those around it, as far as they may be of one message.
func (r *reader) nearby(line int) string {
	const most = 8
	first, last := max(line-most, 0), min(line+most, len(r.lines)-1)
	start, end := r.lines[first].start, r.lines[last].end
	at := r.lines[line].start
	return r.text[max(start, at-(4<<10)):min(end, at+(4<<10))]
}

// reEither is what says nothing: OpenVPN writes it before each error of a socket.
var reEither = compiled(`(?i)\btcp/udp\b`)

var reProtocol = compiled(`(?i)(?:^|[\s/(\[{,:"'=])(tcp|udp)(?:[46]|/ip)?(?:[\s:)\]},"']|$)`)

// nameBefore reads the name that stands right before the error that it is not
// known: "ping: db.internal: Name or service not known". The first word of a line
// is the program, unless it has a dot.
func (r *reader) nameBefore(k *mark, line int) string {
	before, ok := strings.CutSuffix(strings.TrimRight(r.text[r.lines[line].start:k.start], " "), ":")
	if !ok {
		return ""
	}
	name := strings.ToLower(before[strings.LastIndexAny(before, " \t\"'(=:")+1:])
	first := len(strings.TrimSpace(before)) == len(name)
	if !target.ValidName(name) || isErrorWord(name) || first && !strings.Contains(name, ".") || isSource(name) {
		return ""
	}
	switch name {
	case "getaddrinfo", "gethostbyname", "gaierror", "socket.gaierror", "resolve", "resolver", "lookup", "dns", "warning", "fatal", "info", "debug":
		return ""
	}
	return name
}

// numberBehind reads a number that stands alone behind an error, at the end of
// its line, as a port: "Address already in use (os error 98) 3000".
func (r *reader) numberBehind(k *mark) (uint16, bool) {
	rest := r.lineText(r.line(k.end))
	rest = rest[min(k.end-r.lines[r.line(k.end)].start, len(rest)):]
	m := reBehind.get().FindStringSubmatch(rest)
	if m == nil {
		return 0, false
	}
	n, err := target.Port(m[1])
	return n, err == nil && n > 0 && byNumber(m[1]) == ""
}

var reBehind = compiled(`^(?:\s*\([^)]*\))?[\s:]+(\d{2,5})(?:/(?:tcp|udp))?\s*(?:$|[;,])`)

// usualPort returns the port of the server whose client a line is by: of those
// clients that do not write it where it is the usual one. alone asks for those
// whose message says enough without a host.
func usualPort(line string, alone bool) (uint16, bool) {
	low := strings.ToLower(line)
	for _, u := range []struct {
		word   string
		scheme string
		alone  bool
	}{
		{"sqlstate[hy000] [2002]", "mysql", true},
		{"mysql server on", "mysql", false}, {"error 2002 (hy000)", "mysql", false}, {"error 2003 (hy000)", "mysql", false}, {"mysql", "mysql", false}, {"mariadb", "mysql", false},
		{"redis", "redis", false}, {"mongo", "mongodb", false}, {"psql:", "postgres", false}, {"psycopg", "postgres", false}, {"postgres", "postgres", false}, {"memcache", "memcached", false},
		{"ssh: connect", "ssh", false}, {"amqp", "amqp", false},
	} {
		if (u.alone || !alone) && strings.Contains(low, u.word) {
			return target.SchemePort(u.scheme)
		}
	}
	return 0, false
}
