package message

import (
	"net/netip"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/target"
)

// scanner is a message and the tokens that were taken of it so far. Tokens are taken in
// order and do not overlap; blanks between them are skipped.
type scanner struct {
	text   string
	at     int // the end of what was taken
	tokens []token
}

// take adds a token of n bytes.
func (s *scanner) take(k kind, n int) *token {
	s.tokens = append(s.tokens, token{kind: k, start: s.at, end: s.at + n, text: s.text[s.at : s.at+n]})
	s.at += n
	return &s.tokens[len(s.tokens)-1]
}

// takeHost adds an address of n bytes, if it is one. An empty name is any address.
func (s *scanner) takeHost(n int, name, port, proto string) bool {
	h, ok := hostOf(name, port)
	if !ok {
		return false
	}
	h.protocol = loopback.Protocol(strings.ToLower(proto))
	s.take(address, n).host = h
	return true
}

// hostOf parses a host and a port. Each may be empty.
func hostOf(name, port string) (host, bool) {
	var h host
	if port != "" {
		n, err := target.Port(port)
		if err != nil {
			return h, false
		}
		h.port, h.hasPort = n, true
	}
	switch strings.ToLower(name) {
	case "", "*", "any", "null", "undefined", "none", "nil":
		return h, h.hasPort
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		h.ip = ip
		return h, true
	}
	h.name = strings.ToLower(strings.Trim(name, "."))
	return h, target.ValidName(h.name)
}

// takePort adds a port of n bytes that a word announces.
func (s *scanner) takePort(n int, port, proto string) {
	h, ok := hostOf("", port)
	if !ok || h.port == 0 {
		s.take(word, n)
		return
	}
	h.protocol = loopback.Protocol(proto)
	s.take(portWords, n).host = h
}

// before reports whether the next token is at the begin of the text or follows one of
// a set of characters.
func (s *scanner) before(set string) bool {
	return s.at == 0 || strings.IndexByte(set, s.text[s.at-1]) >= 0
}

// behindKey reports whether the next token follows the quote that ends a key: "code":9001.
func (s *scanner) behindKey() bool {
	return s.at > 1 && strings.IndexByte("\"'`", s.text[s.at-1]) >= 0 && (isLetter(s.text[s.at-2]) || isDigit(s.text[s.at-2]) || s.text[s.at-2] == '_')
}

// afterErrno reports whether the last word is the name of an error, such as
// ECONNREFUSED, or the end of its text.
func (s *scanner) afterErrno() bool {
	if len(s.tokens) == 0 {
		return false
	}
	t := s.tokens[len(s.tokens)-1].text
	return len(t) > 4 && t[0] == 'E' && strings.ToUpper(t) == t || t == "use" || t == "denied"
}
