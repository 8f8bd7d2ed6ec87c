package message

import (
	"slices"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/target"
)

// role is what a mention is in its sentence.
type role int

const (
	never  role = iota // a client's own end, documentation, what asked
	serves             // where a program says that it serves
	named              // written, and no more
	aim                // what was connected to, or bound
)

// mention is an address as a message tells it: one token, or several that
// belong together.
type mention struct {
	host
	start, end, line int
	role             role
}

func (m *mention) hasHost() bool { return m.name != "" || m.ip.IsValid() }

// grammar puts tokens together.
type grammar struct {
	tokens []token
	lines  []int // of each token
	out    []mention
}

func mentions(tokens []token) []mention {
	g := &grammar{tokens: tokens, lines: make([]int, len(tokens))}
	line := 0
	for i := range tokens {
		g.lines[i] = line
		if tokens[i].kind == newline {
			line++
		}
	}
	for i := 0; i < len(tokens); {
		i += g.at(i)
	}
	return g.out
}

// at reads the mention at token i, and returns how many tokens it takes.
func (g *grammar) at(i int) int {
	t := &g.tokens[i]
	switch t.kind {
	case address:
		h, n := t.host, 1
		if g.isDisplay(i) {
			return n
		}
		if !h.hasPort {
			h, n = g.withPort(i, h, false)
		}
		if h.name != "" && !h.ip.IsValid() && !t.url && !g.mayBeHost(i, h.name) {
			return n
		}
		if !t.url || !g.isDocumentation(i) {
			g.add(i, n, h, g.role(i))
		}
		return n
	case portWords:
		// port 7003 on 127.0.0.1
		k := i + 2
		for slices.Contains([]string{"host", "address", `"`, "'"}, g.text(k)) {
			k++
		}
		if slices.Contains([]string{"on", "at", "of"}, g.text(i+1)) && k < len(g.tokens) && g.tokens[k].kind == address && !g.tokens[k].url && !g.tokens[k].host.hasPort && g.tokens[k].host.ip.IsValid() {
			h := g.tokens[k].host
			h.port, h.hasPort, h.protocol = t.host.port, true, t.host.protocol
			g.add(i, k+1-i, h, g.role(i))
			return k + 1 - i
		}
		g.add(i, 1, t.host, g.role(i))
	case socket:
		if g.isSocket(i) {
			// PostgreSQL: a socket's lock file.
			t.host.unix = strings.TrimSuffix(t.host.unix, ".lock")
			g.add(i, 1, t.host, max(g.role(i), named))
		}
	case word:
		return g.word(i)
	}
	return 1
}

func (g *grammar) add(i, n int, h host, r role) {
	g.out = append(g.out, mention{host: h, start: g.tokens[i].start, end: g.tokens[i+n-1].end, line: g.lines[i], role: r})
}

// text returns the text of token i in lower case, or "" where there is none.
func (g *grammar) text(i int) string {
	if i < 0 || i >= len(g.tokens) {
		return ""
	}
	return strings.ToLower(g.tokens[i].text)
}

// word reads a name: one that can only be a host's, or one that the words
// around it make a host.
func (g *grammar) word(i int) int {
	name := g.text(i)
	special, isSpecial := loopback.SpecialNameOf(name)
	if isSpecial && (special.Domain == "localhost" || special.Domain == "test" && strings.Contains(name, ".")) && g.text(i+1) != "@" {
		h, n := g.withPort(i, host{name: name}, false)
		g.add(i, n, h, g.role(i))
		return n
	}
	if !target.ValidName(name) || g.stopWord(i) || isSource(name) || reUUID.get().MatchString(name) {
		return 1
	}
	cue, strong := g.hostCue(i)
	if !cue {
		return 1
	}
	h, n := g.withPort(i, host{name: name}, true)
	if !h.hasPort && !strong {
		return 1
	}
	g.add(i, n, h, aim)
	return n
}

// hostCue reports whether the words before a name say that it is a host, and
// whether they do so without a port behind it.
func (g *grammar) hostCue(i int) (cue, strong bool) {
	j, quoted := i-1, false
	for j >= 0 && slices.Contains([]string{`"`, "'", "`", "(", "[", "some", "domain"}, g.text(j)) {
		quoted = quoted || strings.ContainsAny(g.text(j), "\"'`")
		j--
	}
	keyed := false
	if s := g.text(j); s == ":" || s == "=" {
		keyed = true
		if j--; strings.ContainsAny(g.text(j), "\"'`") {
			j--
		}
	}
	prev := g.text(j)
	if i := strings.LastIndexByte(prev, '.'); i >= 0 {
		prev = prev[i+1:] // java.net.UnknownHostException
	}
	switch prev {
	case "to":
		if slices.Contains([]string{"bind", "listen"}, g.text(j-1)) && g.portFollows(i) {
			return false, false // bind to distribution port 25672
		}
	}
	switch prev {
	case "name":
		return g.text(j-1) == "host", g.text(j-1) == "host"
	case "enotfound", "eai_again", "lookup", "unknownhostexception":
		return true, true
	case "host", "hostname", "hosts", "address":
		before := g.text(j - 1)
		if keyed {
			// host: 'x', port: 1; but a log's own "hostname":"box" says nothing.
			return true, prev == "hostname" && before != `"` && before != "," || strings.HasSuffix(before, "resolve")
		}
		return prev != "address" || quoted && before == "host", quoted || before == "resolve" || before == "unknown" || before == "connect" || before == "to" && g.text(j-2) == "connect"
	case "hostname:", "resolve", "resolving":
		return true, true
	case "getaddrinfo", "gethostbyname": // getaddrinfo("db", ...
		return quoted, quoted
	case "to", "at", "with", "zu", "à", "con", "from":
		return true, quoted && (prev == "to" || prev == "at") && strings.Contains(g.text(j-1), "server")
	case "on", "for", "server":
		return quoted || prev == "server" && g.text(j-1) == "to", quoted && (g.text(j-1) == "server" || prev != "on")
	}
	return false, false
}

// portFollows reports whether the token behind token i is a port with its word.
func (g *grammar) portFollows(i int) bool {
	return i+1 < len(g.tokens) && g.tokens[i+1].kind == portWords
}

var reUUID = compiled(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// stopWord reports whether a word of a sentence stands where a host could.
func (g *grammar) stopWord(i int) bool {
	switch g.text(i) {
	case "a", "an", "the", "this", "that", "its", "your", "any", "all", "it", "be", "is", "was", "on", "to", "at", "for", "of", "in", "and", "or", "if", "not", "no", "as", "by",
		"tcp", "udp", "ip", "ipv4", "ipv6", "tcp4", "tcp6", "tcp/ip", "http", "https", "ssh", "ssl", "tls", "local", "remote", "host", "hostname", "port", "ports", "address", "socket", "server",
		"privileged", "management", "admin", "debug", "debugger", "metrics", "control", "inspector", "distribution", "given", "same", "another", "different", "add", "database", "daemon", "proxy", "upstream", "redis", "mysql", "mysql server", "listen", "bind", "connect", "connection", "node", "null", "none", "undefined", "nil", "unknown", "endpoint", "which", "network", "system", "unix", "domain", "debugging", "external", "expose", "localized", "some", "several", "multiple", "specified", "requested", "default", "internal", "public", "private", "tcp-port", "address:", "failed", "name", "error", "errors", "failure", "eai_again", "enotfound":
		return true
	}
	return false
}

// mayBeHost reports whether name:number is a host and a port, and not any word
// and any number.
func (g *grammar) mayBeHost(i int, name string) bool {
	if _, special := loopback.SpecialNameOf(name); special {
		return true
	}
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot > 2 && strings.Trim(name[dot+1:], "abcdefghijklmnopqrstuvwxyz") == "" {
		return g.text(i+1) != "(" || g.tokens[i].host.hasPort
	}
	j := i - 1
	for j >= 0 && slices.Contains([]string{`"`, "'", "`", "(", "[", "{", "/", "@"}, g.text(j)) {
		switch g.text(j) {
		case "(", "[", "@", `"`, "'", "`":
			if g.tokens[j].end == g.tokens[i].start {
				return true
			}
		}
		j--
	}
	prev := g.text(j)
	switch prev {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "to", "at", "on", "host", "for", "dial", "connect", "connecting", "server", "address", "addr", "from", "with", "broker", "node", "upstream", "backend", "peer", "endpoint", "target", "via", "->", "using", "reach":
		return true
	}
	if prev == ":" || prev == "=" || prev == ")" || prev == ">" || prev == "," {
		// What follows an error, or a key that names an address.
		return g.text(j-1) != "" && j > 0 && (isErrorWord(g.text(j-1)) || isAddressKey(strings.Trim(g.text(j-1), `"'`)) || prev == ")" || prev == ">")
	}
	return isErrorWord(prev)
}

func isErrorWord(s string) bool {
	s = strings.ToLower(s)
	if i := strings.LastIndex(s, "::"); i >= 0 {
		s = s[i+2:]
	}
	switch s {
	case "refused", "reset", "timeout", "out", "use", "denied", "unreachable", "failed", "error", "address", "exception", "connectexception", "nohttpresponseexception", "host", "route":
		return true
	}
	return strings.HasPrefix(s, "econn") || strings.HasPrefix(s, "eaddr") || s == "etimedout" || s == "ehostunreach" || s == "enetunreach" || s == "eacces" || strings.HasSuffix(s, "exception") || strings.HasSuffix(s, "error")
}

// isAddressKey reports whether a key is one for an address that was tried.
func isAddressKey(s string) bool {
	switch s {
	case "upstream", "target", "backend", "address", "addr", "endpoint", "server", "broker", "url", "uri", "host", "remote", "peer", "dst", "dest", "destination", "authority", "path", "proxying", "bootstrap":
		return true
	}
	return false
}

// withPort puts the port to the host at token i that is said behind it: host
// "localhost" (::1), port 5432; localhost port 3000; host: 'x', port: 1;
// [127.0.0.1] 9999. Where port is needed only those forms count.
func (g *grammar) withPort(i int, h host, strict bool) (host, int) {
	if t, ok := g.pair(i); ok {
		if p, err := target.Port(t.text); err == nil && p > 0 {
			h.port, h.hasPort = p, true
			return h, 4
		}
	}
	j := i + 1
	for j < len(g.tokens) && j < i+14 {
		t := &g.tokens[j]
		switch {
		case t.kind == portWords:
			h.port, h.hasPort, h.protocol = t.host.port, true, t.host.protocol
			return h, j + 1 - i
		case t.kind == number && !strict && (g.isPlainPort(i, j)):
			p, err := target.Port(t.text)
			if err != nil || p == 0 {
				return h, 1
			}
			h.port, h.hasPort = p, true
			return h, j + 1 - i
		case t.kind == address && !t.host.hasPort && t.host.ip.IsValid() && (!h.ip.IsValid() || h.ip == t.host.ip) && (g.text(j-1) == "(" || g.text(j-1) == "["):
			h.ip = t.host.ip
		case t.kind == address && t.host.ip.IsValid() && t.host.hasPort && t.text[0] == '|' && h.name != "",
			// Postfix: localhost[127.0.0.1]:25
			t.kind == address && t.host.ip.IsValid() && t.host.hasPort && t.text[0] == '[' && t.start == g.tokens[i].end && (h.name != "" || h.ip == t.host.ip):
			h.ip, h.port, h.hasPort = t.host.ip, t.host.port, true
			return h, j + 1 - i
		case t.kind == address && !t.host.hasPort && t.host.ip.IsValid() && t.text[0] == '[' && h.name != "": // localhost [::1] 9999
			h.ip = t.host.ip
		case t.kind == word && t.text != "":
			switch g.text(j) {
			case "on", "at", "the", "tcp", "udp", "and", "localhost", "accepting", "tcp/ip", "ip", "connections", "using", "via", "tcp-port":
			case h.name:
			default:
				return h, 1
			}
		case t.kind == punct && strings.Contains(`"'`+"`,()[]/", t.text):
		case t.kind == newline && (g.text(j-1) == "accepting" || g.text(j-1) == ","):
		case t.kind == punct && (t.text == ":" || t.text == "=") && j == i+1:
			return h, 1
		default:
			return h, 1
		}
		j++
	}
	return h, 1
}

// isPlainPort reports whether the number at token j, behind the host at i, can
// only be its port: 127.0.0.1 9999, at the end or before a sign.
func (g *grammar) isPlainPort(i, j int) bool {
	between := g.tokens[j-1].end
	if g.tokens[j].start-between != 1 || g.tokens[j-1].kind == word && j-1 != i || g.tokens[j-1].kind == punct && !strings.Contains(`]"')`, g.tokens[j-1].text) {
		return false
	}
	if j+1 >= len(g.tokens) {
		return true
	}
	next := g.tokens[j+1]
	return next.kind == newline || next.kind == punct && strings.Contains(`:,;()'"?!.`, next.text)
}

// isSocket reports whether a path is that of a Unix socket.
func (g *grammar) isSocket(i int) bool {
	path := g.tokens[i].host.unix
	if reSourcePath.get().MatchString(path) {
		return false // ../crypto/bio/bio_sock2.c:171:calling
	}
	low := strings.ToLower(path)
	base := low[strings.LastIndexByte(low, '/')+1:]
	if strings.HasSuffix(base, ".sock") || strings.HasSuffix(base, ".socket") || strings.HasPrefix(base, ".s.pgsql.") || strings.HasSuffix(base, ".ipc") || strings.HasPrefix(path, "@") || base == "socket" || base == "sock" || strings.HasPrefix(base, "agent.") || strings.HasPrefix(base, ".x11-unix") {
		return true
	}
	if g.tokens[i].text != path && strings.HasPrefix(strings.ToLower(g.tokens[i].text), "unix") {
		return true
	}
	for j := i - 1; j >= max(0, i-6) && g.tokens[j].kind != newline; j-- {
		switch g.text(j) {
		case "unix", "socket", "sun_path", "domain", "econnrefused", "eaddrinuse", "unixgram", "unixpacket":
			return true
		case "to": // tmux: error connecting to /tmp/tmux-1000/default
			if j == i-1 && strings.HasPrefix(g.text(j-1), "connect") && (i+1 == len(g.tokens) || g.tokens[i+1].kind != address) {
				return true
			}
		case "enoent", "eacces":
			return g.text(j-1) == "connect" || g.text(j-1) == "listen"
		case "use":
			return g.text(j-1) == "in" && g.text(j-2) == "already"
		}
	}
	return false
}
