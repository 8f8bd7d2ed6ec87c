package message

import "strings"

// role reads the role of the mention at token i from the words before it.
func (g *grammar) role(i int) role {
	t := &g.tokens[i]
	j := i - 1
	for j >= 0 && g.tokens[j].kind == punct && strings.Contains("\"'`([{<@", g.tokens[j].text) {
		j--
	}
	if j < 0 {
		return named
	}
	prev, key := g.text(j), ""
	if prev == ":" || prev == "=" {
		k := j - 1
		for k >= 0 && strings.Contains("\"'`", g.text(k)) && g.text(k) != "" {
			k--
		}
		key = g.text(k)
	}
	if t.url && (key == "local" || key == "network") {
		return serves // Vite and its kin tell so where they serve
	}
	switch key {
	case "client", "from", "source", "src", "local", "laddr", "localaddr", "referer", "referrer", "origin", "clientip", "client_ip", "remote_addr", "localaddress", "request":
		return never
	case "upstream", "target", "backend", "dst", "dest", "destination", "raddr", "authority", "address", "addr", "endpoint":
		return aim
	}
	switch prev {
	case "from", "client", "request", "alternative", "alternate":
		return never
	case "local":
		if t.kind == address && g.text(j+1) == "(" {
			return never // Node: - Local (127.0.0.1:40000)
		}
	case "to", "dial", "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "bind", "listen", "upstream", "host", "connecting", "connect", "reach", "->", "address", "target", "endpoint", "server", "socket":
		return g.serving(i, aim)
	}
	if isErrorWord(prev) || key != "" && isErrorWord(key) {
		return aim
	}
	return g.serving(i, named)
}

// serving returns serves where the words before say that a program serves there,
// and else what it was given.
func (g *grammar) serving(i int, r role) role {
	for j := i - 1; j >= max(0, i-8) && g.tokens[j].kind != newline; j-- {
		switch g.text(j) {
		case "running", "listening", "started", "serving", "available", "ready", "opening", "launched", "up":
			for k := i + 1; k < len(g.tokens) && g.tokens[k].kind != newline; k++ {
				switch g.text(k) {
				case "failed", "refused", "already", "error", "fail", "in", "denied", "another", "cannot":
					return r // it does not
				}
			}
			for k := j - 1; k >= max(0, j-5) && g.tokens[k].kind != newline; k-- {
				switch g.text(k) {
				case "is", "already", "another", "something", "not", "error", "failed", "cannot", "could", "while", "server":
					if g.text(k) != "server" && (g.text(k) != "is" || g.text(k-1) != "server") {
						return r
					}
				}
			}
			return serves
		}
	}
	return r
}

// isDocumentation reports whether a URL leads to help and is not what failed.
func (g *grammar) isDocumentation(i int) bool {
	t := &g.tokens[i]
	h := t.host
	if h.ip.IsValid() || h.name == "localhost" || !strings.Contains(h.name, ".") || strings.HasSuffix(h.name, ".localhost") || strings.HasSuffix(h.name, ".test") {
		return false
	}
	if g.text(i-1) == "." && i > 1 {
		return true // a sentence of its own
	}
	for j := i - 1; j >= max(0, i-6) && g.tokens[j].kind != newline; j-- {
		switch g.text(j) {
		case "see", "visit", "docs", "documentation", "help", "read", "more", "information", "info", "details", "refer", "learn", "report", "guide", "faq", "issue", "docs:", "logs", "hint", "about":
			return true
		}
	}
	for _, s := range []string{"docs.", "doc.", "developer.", "wiki.", "support.", "help.", "learn."} {
		if strings.HasPrefix(h.name, s) {
			return true
		}
	}
	switch h.name {
	case "nodejs.org", "curl.se", "curl.haxx.se", "github.com", "go.dev", "pkg.go.dev", "stackoverflow.com", "aka.ms", "errors.pydantic.dev", "reactjs.org", "react.dev", "nextjs.org", "vitejs.dev", "vite.dev", "pris.ly", "git.io", "bit.ly", "goo.gl":
		return true
	}
	return strings.ContainsAny(t.path, "#") || strings.HasSuffix(t.path, ".html") || strings.HasSuffix(t.path, ".md")
}
