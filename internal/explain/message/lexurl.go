package message

import (
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/target"
)

// prefixed takes what stands behind "ipv4:", "TCP:" and their kin.
func (l *lexer) prefixed(rest string, m []string) bool {
	proto := strings.ToLower(m[1][:3])
	tail := rest[len(m[0]):]
	if proto == "ipv" {
		proto = ""
		if p := rePercent().FindStringSubmatch(tail); p != nil {
			return l.takeHost(len(m[0])+len(p[0]), p[1], p[2], "")
		}
	}
	if tail == "" || isBlank(tail[0]) {
		return false
	}
	if d := reHostWd().FindStringSubmatch(tail); d != nil && !strings.HasPrefix(tail[len(d[0]):], ".") && !strings.HasPrefix(tail[len(d[0]):], ":") {
		return l.takeHost(len(m[0])+len(d[0]), "", d[1], proto)
	}
	before := len(l.tokens)
	l.at += len(m[0])
	l.next()
	if len(l.tokens) > before && l.tokens[before].kind == address {
		l.tokens[before].host.protocol = loopback.Protocol(proto)
	}
	return true
}

// url takes a URL.
func (l *lexer) url(rest string) bool {
	s := reURL().FindString(rest)
	if s == "" {
		return false
	}
	// A bracket belongs to it only around an address, and what ends a sentence
	// or a list does not.
	if i := strings.IndexByte(s, ']'); i >= 0 && !strings.Contains(s[:i], "[") {
		s = s[:i]
	}
	if i := strings.IndexAny(s, ",;`"); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimRight(s, ".,:;]}*!?")
	t, err := target.Parse(s)
	// gRPC: a resolver of its own, and behind it what it resolves.
	if m := reGRPC().FindStringSubmatch(s); m != nil && !strings.HasPrefix(m[1], "unix") {
		if _, known := target.SchemePort(m[1]); (!known || m[1] == "dns") && l.takeHost(len(s), strings.Trim(m[2], "[]"), m[3], "") {
			return true
		}
	}
	switch scheme, _, _ := strings.Cut(s, "://"); {
	case strings.EqualFold(scheme, "file"):
		l.take(noise, len(s))
		return true
	case err != nil:
		// Perhaps only the port is a placeholder, or the path is in the way.
		l.take(noise, max(len(s), len(scheme)+3))
		return true
	}
	if t.Unix == "" && strings.HasPrefix(strings.ToLower(t.Host), "%2f") {
		t.Unix = t.Host
	}
	if t.Unix != "" {
		l.take(socket, len(s)).host.unix = t.Unix
		return true
	}
	k := l.take(address, len(s))
	k.url, k.path = true, t.Path
	k.host = host{ip: t.IP, port: t.Port, hasPort: t.HasPort, protocol: t.Protocol}
	if !t.IP.IsValid() {
		k.host.name = strings.ToLower(strings.TrimSuffix(t.Host, "."))
	}
	return true
}

// file takes a path.
func (l *lexer) file(rest string) {
	s := rePath().FindString(rest)
	if s == "" {
		if strings.HasPrefix(rest, "@") {
			s = strings.TrimRight(strings.FieldsFunc(rest, func(r rune) bool { return isBlank(byte(min(r, 127))) || r == '"' || r == '\'' })[0], ":.,")
		} else {
			l.take(punct, 1)
			return
		}
	}
	s = strings.TrimRight(s, ":.`]}")
	if len(s) < 2 || rePlace().MatchString(s) {
		l.take(noise, max(len(s), 1))
		return
	}
	l.take(socket, len(s)).host.unix = s
}
