package message

import (
	"net/netip"
	"strings"

	"lodge/internal/loopback"
)

// kind is what a token is.
type kind int

const (
	word      kind = iota // letters, digits, dots
	number                // digits
	punct                 // one character
	newline               // the end of a line
	address               // a host, a port, or both
	portWords             // a word that announces a port, and its number
	socket                // the path of a Unix socket, or of any file
	noise                 // a time, a place in a source file: nothing of interest
)

// token is a piece of a message.
type token struct {
	kind       kind
	start, end int
	text       string
	host       host
	// url says that an address was written as a URL, path its path.
	url  bool
	path string
}

// host is an address as far as it was written.
type host struct {
	name     string // in lower case
	ip       netip.Addr
	port     uint16
	hasPort  bool
	protocol loopback.Protocol
	// local is the near end, where both ends of a connection are written.
	local netip.AddrPort
	unix  string
}

var (
	reWord = compiled(`^[\pL\d_](?:[\pL\d_.-]*[\pL\d_-])?(?:::[\pL_][\pL\d_]*)*`)
	reTime = compiled(`^(?:\d{4}[-/]\d\d?[-/]\d\d?(?:[T ]\d\d:\d\d(?::\d\d)?)?|\d\d?/\w{3}/\d{4}(?::\d\d:\d\d:\d\d)?|\d\d?[-.]\w{2,3}[-.]\d{4}|\d\d?:\d\d(?::\d\d)?)(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?`)
	reURL  = compiled(`^(?:jdbc:)?(?:[a-z]+:)?[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>()|\\]*`)
	// The ends of a connection, as Go and ss write them.
	reArrow   = compiled(`^([0-9A-Fa-f:.\[\]%]+:\d+) ?-> ?([0-9A-Fa-f:.\[\]%]+:\d+)`)
	reBracket = compiled(`^\[([0-9A-Fa-f:.]+(?:%\w+)?|[A-Za-z][\w.-]*)\]:(\d{1,5})\b`)
	reSix     = compiled(`^\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?)\]`)
	reColons  = compiled(`^[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,5})+(?:(?:\d{1,3}\.){3}\d{1,3})?(?:%\w+)?(?::\d{1,5})?`)
	reMapping = compiled(`^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5}):\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}(?:/(tcp|udp))?`)
	reFour    = compiled(`^(\d{1,3}(?:\.\d{1,3}){3})(?:(?: ?: ?|#)(\d{1,5})\b|\.(\d{1,5})\b)?(?:/(tcp|udp)\b)?`)
	reJava    = compiled(`^([A-Za-z][\w.-]*|\d{1,3}(?:\.\d{1,3}){3})?/(?:<unresolved>|\[?([0-9A-Fa-f:.]*[0-9A-Fa-f])\]?)(?::(\d{1,5})\b)?`)
	reWget    = compiled(`^\|([0-9A-Fa-f:.]+)\|:(\d{1,5})\b`)
	reAny     = compiled(`^\*?:(\d{1,5})\b`)
	reTicked  = compiled("^`([\\w.:-]+)`:`(\\d{1,5})`")
	reTuple   = compiled(`^[({\[]\s*u?b?['"]([^'"\s]*)['"]\s*,\s*(\d{1,5})\s*(?:,\s*\d+\s*,\s*\d+\s*)?[),}\]]`)
	reErlang4 = compiled(`^\{\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\}(?:\s*,\s*(\d{1,5})\b)?`)
	reErlang6 = compiled(`^\{((?:\s*\d{1,5}\s*,){7}\s*\d{1,5}\s*)\}(?:\s*,\s*(\d{1,5})\b)?`)
	reConn    = compiled(`^(?:https?|ajp)-[A-Za-z][\w]*-(?:(\d{1,3}(?:\.\d{1,3}){3})-)?(\d{2,5})\b`)
	rePrefix  = compiled(`^(ipv4|ipv6|tcp|udp|TCP|UDP|TCP4|TCP6|TCP-LISTEN|UDP-LISTEN|TCP4-LISTEN):`)
	reGRPC    = compiled(`^([a-z][a-z-]*)://[^/]*/([\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$`)
	reDevTCP  = compiled(`^/dev/(tcp|udp)/([\w.:-]+)/(\d{1,5})\b`)
	rePercent = compiled(`^(?:%5B|\[)([0-9A-Fa-f:.]+)(?:%5D|\]):(\d{1,5})\b`)
	reOracle  = compiled(`^jdbc:oracle:\w+:@(?://)?([\w.-]+):(\d{1,5})`)
	reHtons   = compiled(`^htons\((\d{1,5})\)`)
	reHostWd  = compiled(`^(\d{1,5})(?:/(tcp|udp)\b)?`)
	rePath    = compiled(`^(?:\.{0,2}/)[^\s"'<>()|,;]*`)
	// A place in a source file, with what stands behind it.
	reSourcePath = compiled(`\.[a-z]{1,4}:\d+(?::|$)`)
	rePlace      = compiled(`(?::\d+){1,2}[:.]?$`)
	// Words that announce a port, and what may stand between.
	rePort = compiled(`^(?i:ports?(?:[ _-]?number)?|httpport|serverport|пор(?:т|ту|те)|puerto|porta|порт|端口|ポート)["'` + "`" + `]?\s{0,2}(?:(?:[:=#]|is|number|=>|Some\()\s{0,2})*["'` + "`" + `(]?\s{0,2}(\d{1,5})(?:/(tcp|udp))?\b`)
)

// lexer cuts a message into tokens: it finds out by the next character which forms
// there can be, and tries them.
type lexer struct {
	*scanner
	addresses addressForms
	paths     pathForms
}

func lex(text string) []token {
	s := &scanner{text: text}
	l := lexer{scanner: s, addresses: addressForms{s}, paths: pathForms{s}}
	for l.at < len(l.text) {
		l.next()
	}
	return l.tokens
}

// next takes the next token.
func (l *lexer) next() {
	rest := l.text[l.at:]
	c := rest[0]
	switch {
	case c == ' ' || c == '\t':
		l.at++
	case l.addresses.service(rest), l.addresses.form(rest):
	case c == '\n':
		l.take(newline, 1)
	case isLetter(c) || c >= 0x80 || c == '_':
		l.letters(rest)
	case isDigit(c):
		l.digits(rest)
	default:
		l.sign(rest)
	}
}

func (l *lexer) letters(rest string) {
	if m := reOracle.get().FindStringSubmatch(rest); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
		return
	}
	if l.paths.url(rest) {
		return
	}
	if m := rePrefix.get().FindStringSubmatch(rest); m != nil && l.prefixed(rest, m) {
		return
	}
	if m := reHtons.get().FindStringSubmatch(rest); m != nil {
		l.takePort(len(m[0]), m[1], "")
		return
	}
	if m := rePort.get().FindStringSubmatch(rest); m != nil && !unit(rest[len(m[0]):]) {
		l.takePort(len(m[0]), m[1], m[2])
		return
	}
	if m := reConn.get().FindStringSubmatch(rest); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
		return
	}
	if strings.HasPrefix(rest, "unix:") && len(rest) > 6 && !isBlank(rest[5]) {
		l.at += 5
		l.paths.file(l.text[l.at:])
		return
	}
	if l.addresses.colons(rest) {
		return
	}
	if m := reJava.get().FindStringSubmatch(rest); m != nil && m[1] != "" && l.addresses.java(m) {
		return
	}
	l.word(rest)
}

// prefixed takes what follows "ipv4:", "TCP:" and similar prefixes; m is a match of rePrefix.
func (l *lexer) prefixed(rest string, m []string) bool {
	proto := strings.ToLower(m[1][:3])
	tail := rest[len(m[0]):]
	if proto == "ipv" {
		proto = ""
		if p := rePercent.get().FindStringSubmatch(tail); p != nil {
			return l.takeHost(len(m[0])+len(p[0]), p[1], p[2], "")
		}
	}
	if tail == "" || isBlank(tail[0]) {
		return false
	}
	if d := reHostWd.get().FindStringSubmatch(tail); d != nil && !strings.HasPrefix(tail[len(d[0]):], ".") && !strings.HasPrefix(tail[len(d[0]):], ":") {
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

// unit reports whether what follows makes a number something else than a port.
func unit(rest string) bool {
	return len(rest) > 0 && (rest[0] == '.' && len(rest) > 1 && isDigit(rest[1]) || rest[0] == '%')
}

// word takes a word, and the port that may be at its end.
func (l *lexer) word(rest string) {
	n := len(reWord.get().FindString(rest))
	if n == 0 {
		l.take(punct, 1)
		for l.at < len(l.text) && l.text[l.at]&0xc0 == 0x80 {
			l.at++ // the rest of a character
		}
		return
	}
	text, tail := rest[:n], rest[n:]
	if len(tail) > 1 && tail[0] == ':' && isDigit(tail[1]) {
		m := reHostWd.get().FindStringSubmatch(tail[1:])
		after := tail[1+len(m[0]):]
		end := n + 1 + len(m[0])
		switch {
		case strings.HasPrefix(after, ":") && len(after) > 1 && isDigit(after[1]), isSource(text):
			// file.ts:12:5, main.go:17
			for end < len(rest) && (isDigit(rest[end]) || rest[end] == ':' && end+1 < len(rest) && isDigit(rest[end+1])) {
				end++
			}
			l.take(noise, end)
			return
		case len(after) > 0 && (isLetter(after[0]) || after[0] == '_'):
		case !notHost(text) && !strings.Contains(text, "::") && l.takeHost(end, text, m[1], m[2]):
			return
		}
	}
	if slash := strings.HasPrefix(tail, "/"); slash && l.at+n < len(l.text) {
		// A path without a slash at its beginning: src/main.rs:12:53.
		path := text + rePath.get().FindString(tail)
		if at := rePlace.get().FindStringIndex(path); at != nil {
			l.take(noise, len(path))
			return
		}
	}
	l.take(word, n)
}

// sources are the ends of the names of files with programs.
const sources = " go py js mjs cjs ts mts cts jsx tsx rb java kt kts scala groovy clj rs c cc cpp cxx h hpp php ex exs erl hrl cs fs vb lua pl pm swift vue svelte sh bash zig nim jl r dart hs ml html htm css yml yaml toml json cfg conf ini log txt md xml sql "

func isSource(s string) bool {
	i := strings.LastIndexByte(s, '.')
	return i > 0 && strings.Contains(sources, " "+strings.ToLower(s[i+1:])+" ")
}

// notHost reports whether a word before a colon and a number is no host.
func notHost(s string) bool {
	switch strings.ToLower(s) {
	case "line", "lines", "col", "column", "error", "errno", "code", "pid", "ppid", "port", "status", "net", "internal", "exit", "at", "size", "time", "ms", "id",
		"node", "timeout", "attempt", "attempts", "retry", "retries", "count", "length", "level", "version", "v", "errcode", "elapsed", "duration", "backlog", "sockfd", "fd", "rc", "ret", "result",
		"thread", "uid", "gid", "user", "offset", "row", "step", "page", "priority", "weight", "ttl", "ts", "msg", "sqlstate", "signal", "in", "after", "until", "since", "took", "took_ms", "total", "max", "min", "limit", "number", "num", "value", "index", "idx", "dpid", "epoch", "seq", "len", "tcp", "udp", "add", "a", "an", "the", "caused", "reason", "exception":
		return true
	}
	return strings.Trim(s, "0123456789") == "" || strings.HasPrefix(strings.ToLower(s), "0x")
}

func (l *lexer) digits(rest string) {
	if m := reArrow.get().FindStringSubmatch(rest); m != nil && l.addresses.arrow(m) {
		return
	}
	if l.addresses.colons(rest) {
		return
	}
	if m := reTime.get().FindString(rest); m != "" && !(len(m) < len(rest) && (isDigit(rest[len(m)]) || rest[len(m)] == ':' || rest[len(m)] == '.' && strings.Count(m, ".") > 0)) {
		l.take(noise, len(m))
		return
	}
	if m := reMapping.get().FindStringSubmatch(rest); m != nil && l.takeHost(len(m[0]), m[1], m[2], m[3]) {
		return
	}
	if m := reJava.get().FindStringSubmatch(rest); m != nil && m[1] != "" && l.addresses.java(m) {
		return
	}
	if m := reFour.get().FindStringSubmatch(rest); m != nil {
		if _, err := netip.ParseAddr(m[1]); err == nil {
			port := m[2]
			if m[3] != "" {
				port = m[3] // tcpdump: 127.0.0.1.5432
			}
			if l.takeHost(len(m[0]), m[1], port, m[4]) {
				return
			}
		}
	}
	n := 1
	for n < len(rest) && isDigit(rest[n]) {
		n++
	}
	if n < len(rest) && (isLetter(rest[n]) || rest[n] == '.' || rest[n] == '_' || rest[n] == '-') {
		l.word(rest)
		return
	}
	l.take(number, n)
}

func (l *lexer) sign(rest string) {
	match := func(p *pattern) []string { return p.get().FindStringSubmatch(rest) }
	switch rest[0] {
	case '[':
		if m := match(reArrow); m != nil && l.addresses.arrow(m) {
			return
		}
		if m := match(reBracket); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
			return
		}
		if m := match(reSix); m != nil && l.takeHost(len(m[0]), m[1], "", "") {
			return
		}
	case ':', '*':
		if l.before(" \t\n\"'`(=[{,/<*") && rest[0] == ':' && l.addresses.colons(rest) {
			return
		}
		if m := match(reAny); m != nil && l.before(" \t\n\"'`(=[{<") && !l.behindKey() && l.takeHost(len(m[0]), "", m[1], "") {
			return
		}
	case '|':
		if m := match(reWget); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
			return
		}
	case '`':
		if m := match(reTicked); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
			return
		}
	case '(':
		if m := match(reTuple); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
			return
		}
	case '{':
		if l.addresses.erlang(rest) {
			return
		}
		if m := match(reTuple); m != nil && l.takeHost(len(m[0]), m[1], m[2], "") {
			return
		}
	case '/':
		if m := match(reDevTCP); m != nil && l.takeHost(len(m[0]), m[2], m[3], m[1]) {
			return
		}
		if m := match(reJava); m != nil && m[1] == "" && l.addresses.java(m) {
			return
		}
		if l.before(" \t\n\"'`(=[{,:<@") {
			l.paths.file(rest)
			return
		}
	case '@': // unix @abstract
		if n := len(l.tokens); n > 0 && l.before(" \"'") && strings.HasPrefix(strings.ToLower(l.tokens[n-1].text), "unix") && len(rest) > 1 && !isBlank(rest[1]) {
			l.paths.file(rest)
			return
		}
	case '.':
		if strings.HasPrefix(rest, "./") || strings.HasPrefix(rest, "../") {
			l.paths.file(rest)
			return
		}
	}
	l.take(punct, 1)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }
