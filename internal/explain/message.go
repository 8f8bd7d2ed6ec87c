package explain

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"lodge/internal/loopback"
)

// An error message is read by what programs have in common: one of the
// kernel's errors, in words or by its name, and an address somewhere near it.

// errnos are what messages say for each error, in lower case. The first one
// that is found counts, so the more exact stand first.
var errnos = []struct {
	errno string
	words []string
}{
	{"EADDRINUSE", []string{"eaddrinuse", "address already in use", "address in use", "addrinuse", "port is already allocated", "only one usage of each socket address", "already in use", "is in use by another program", "already running on port", "already listening on port", "(98)", "errno 98", "os error 98", "code: 98", "(98:"}},
	{"EADDRNOTAVAIL", []string{"eaddrnotavail", "cannot assign requested address", "can't assign requested address", "addrnotavailable", "errno 99", "os error 99", "(99:", "(99)"}},
	{"ECONNREFUSED", []string{"econnrefused", "connection refused", "connectionrefused", "couldn't connect to server", "actively refused", "could not connect to server", "err_connection_refused", "errno 111", "os error 111", "(111)", "(111:", "errno: -111"}},
	{"ETIMEDOUT", []string{"etimedout", "connection timed out", "i/o timeout", "operation timed out", "timeout was reached", "timed out", "deadline exceeded", "err_connection_timed_out", "connect timeout", "timeout expired", "errno 110", "os error 110", "(110:", "(110)"}},
	{"ECONNRESET", []string{"econnreset", "connection reset", "connectionreset", "socket hang up", "empty reply from server", "server closed the connection unexpectedly", "err_connection_reset", "err_empty_response", "broken pipe", "epipe", "errno 104", "os error 104", "(104:"}},
	{"EHOSTUNREACH", []string{"ehostunreach", "no route to host"}},
	{"ENETUNREACH", []string{"enetunreach", "network is unreachable", "network unreachable"}},
	{"EACCES", []string{"eacces", "permission denied", "eperm", "operation not permitted", "permissiondenied"}},
	{"ENOTFOUND", []string{"enotfound", "eai_again", "no such host", "could not resolve host", "name or service not known", "could not translate host name", "temporary failure in name resolution", "nodename nor servname", "err_name_not_resolved"}},
}

// errnoOf gives the name of the error that a message is about, or "".
func errnoOf(text string) string {
	low := strings.ToLower(text)
	for _, e := range errnos {
		for _, w := range e.words {
			if strings.Contains(low, w) {
				return e.errno
			}
		}
	}
	return ""
}

// operationOf tells a failed bind from a failed connect.
func operationOf(text, errno string) Operation {
	low := strings.ToLower(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(low, w) })
	}
	switch errno {
	case "EADDRINUSE":
		return Bind
	case "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND":
		return Connect
	case "EADDRNOTAVAIL", "EACCES":
		switch {
		case has("connect", "dial "):
			return Connect
		case has("bind", "listen", "eacces: permission denied"):
			return Bind
		case errno == "EACCES":
			return Bind // a connect is hardly ever denied
		}
		return Connect
	}
	switch {
	case has("bind", "listen"):
		return Bind
	case has("connect", "dial "):
		return Connect
	}
	return ""
}

// candidate is an address that a message may be about.
type candidate struct {
	at, score int
	name      string
	ip        netip.Addr
	port      uint16
	hasPort   bool
}

// compiled gives a pattern that is compiled when it is first used: most
// commands use none.
func compiled(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

var (
	reURL    = compiled(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>)\]]*(?:\[[0-9A-Fa-f:.]+\][^\s"'<>)\]]*)?`)
	reArrow  = compiled(`([0-9A-Fa-f:.\[\]]+:\d+)->([0-9A-Fa-f:.\[\]]+:\d+)`)
	reSix    = compiled(`\[([0-9A-Fa-f:.%\w]*:[0-9A-Fa-f:.%\w]*)\](?::(\d{1,5}))?`)
	reNode   = compiled(`(?:^|[\s'"(=/])([0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)`)
	reFour   = compiled(`\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::(\d{1,5}))?`)
	reJava   = compiled(`([A-Za-z][A-Za-z0-9_.-]*)/(?:<unresolved>|[0-9A-Fa-f:.\[\]]+?):(\d{1,5})\b`)
	reWget   = compiled(`\|([0-9A-Fa-f:.]+)\|:(\d{1,5})\b`)
	reHost   = compiled(`([A-Za-z0-9_.-]*[A-Za-z][A-Za-z0-9_.-]*):(\d{1,5})\b`)
	reAny    = compiled(`(?:^|[\s'"(=])\*?:(\d{1,5})\b`)
	rePair   = compiled(`(?i)(?:\bto|\bhost|\bfor|\bat|\bon)\s+(?:host\s+)?['"]?\[?([A-Za-z0-9_.:-]+?)\]?['"]?,?(?:\s+\([^)]*\))?,?\s+(?:on\s+)?port\s+(\d{1,5})\b`)
	reKeys   = compiled(`(?i)\b(?:host|hostname|address|addr)['"]?\s*[:=]\s*['"]([^'"\s]+)['"]\s*,\s*['"]?port['"]?\s*[:=]\s*['"]?(\d{1,5})`)
	reTuple  = compiled(`\(\s*['"]([^'"\s]*)['"]\s*,\s*(\d{1,5})\s*[),]`)
	rePort   = compiled(`(?i)\bport['"]?\s*(?:[:=#]|is|number)?\s*['"]?(\d{1,5})\b`)
	rePsql   = compiled(`server at "([^"]+)"(?: \(([0-9A-Fa-f:.]+)\))?, port (\d{1,5})`)
	reLookup = compiled(`(?:\blookup|ENOTFOUND|EAI_AGAIN|resolve host:?|host name)\s+['"]?([A-Za-z0-9_.-]+)`)
	reLocal  = compiled(`(?i)(?:^|[\s'"(/@])((?:[a-z0-9_-]+\.)*localhost|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.test)\b`)
	reBind   = compiled(`(?i)bind (?:on|to|for|IPv[46] address|address)\s+(?:(?:TCP/IP port|IPv[46] address|address):?\s+)?['"]?([0-9A-Fa-f:.]+)['"]?`)
	reLast   = compiled(`(?:^|\s)(\d{1,5}(?:/(?:tcp|udp))?)$`)
	reProto  = compiled(`(?i)(?:^|[\s/(])(tcp|udp)[46]?\b`)
)

// parseMessage reads a message.
func parseMessage(text string) (Input, error) {
	in := Input{Text: text, Errno: errnoOf(text)}
	in.Operation = operationOf(text, in.Errno)
	if m := reProto().FindStringSubmatch(text); m != nil {
		in.Protocol = loopback.Protocol(strings.ToLower(m[1]))
	}
	if m := reArrow().FindStringSubmatch(text); m != nil {
		local, err := netip.ParseAddrPort(m[1])
		remote, err2 := netip.ParseAddrPort(m[2])
		if err == nil && err2 == nil {
			in.Local = local
			in.IPs, in.Port, in.HasPort = []netip.Addr{remote.Addr()}, remote.Port(), true
			in.kind()
			return in, nil
		}
	}
	all := candidates(text)
	if in.Errno == "ENOTFOUND" {
		if m := reLookup().FindStringSubmatchIndex(text); m != nil {
			if c, ok := hostCandidate(text[m[2]:m[3]], "", m[0], 200); ok {
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 {
		return Input{}, ErrNoAddress
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		if a.score != b.score {
			return b.score - a.score
		}
		return a.at - b.at
	})
	in.take(all)
	if !in.HasPort && in.Errno != "" {
		in.Port, in.HasPort = usualPort(text)
	}
	if in.Name == "" && len(in.IPs) == 0 && !in.HasPort {
		return Input{}, ErrNoAddress
	}
	in.kind()
	return in, nil
}

// take makes one address of the best candidate and of the others that speak of
// the same port.
func (in *Input) take(all []candidate) {
	best := all[0]
	in.Name, in.Port, in.HasPort = best.name, best.port, best.hasPort
	add := func(ip netip.Addr) {
		if ip.IsValid() && !slices.Contains(in.IPs, ip) {
			in.IPs = append(in.IPs, ip)
		}
	}
	add(best.ip)
	for _, c := range all[1:] {
		switch {
		case !in.HasPort && c.hasPort && c.name == "" && !c.ip.IsValid() && in.Errno != "ENOTFOUND":
			in.Port, in.HasPort = c.port, true // the port was said apart from the host
		case in.HasPort && in.Name == "" && len(in.IPs) == 0 && !c.hasPort:
			in.Name = c.name // the host was said apart from the port
			add(c.ip)
		case c.hasPort && in.HasPort && c.port == in.Port && c.score >= 50:
			if in.Name == "" {
				in.Name = c.name
			}
			add(c.ip)
		}
	}
}

// candidates finds everything in a message that looks like an address.
func candidates(text string) []candidate {
	var out []candidate
	add := func(host, port string, at, score int) {
		if c, ok := hostCandidate(host, port, at, score); ok {
			out = append(out, c)
		}
	}
	group := func(m []int, n int) string {
		if m[2*n] < 0 {
			return ""
		}
		return text[m[2*n]:m[2*n+1]]
	}
	rest := []byte(text) // what is read once is not read again
	blank := func(m []int) {
		for i := m[0]; i < m[1]; i++ {
			rest[i] = ' '
		}
	}
	for _, m := range reURL().FindAllStringIndex(text, -1) {
		var u Input
		if u.url(strings.TrimRight(text[m[0]:m[1]], ".,;:")) == nil && (u.Name != "" || len(u.IPs) > 0) {
			c := candidate{at: m[0], score: 90, name: u.Name, port: u.Port, hasPort: u.HasPort}
			if len(u.IPs) > 0 {
				c.ip = u.IPs[0]
			}
			out = append(out, c)
		}
		blank(m)
	}
	text = string(rest)
	for _, m := range rePsql().FindAllStringSubmatchIndex(text, -1) {
		add(group(m, 1), group(m, 3), m[0], 88)
		if ip := group(m, 2); ip != "" {
			add(ip, group(m, 3), m[0]+1, 87)
		}
	}
	for _, m := range reJava().FindAllStringSubmatchIndex(text, -1) {
		add(group(m, 1), group(m, 2), m[0], 80)
	}
	for _, m := range reWget().FindAllStringSubmatchIndex(text, -1) {
		add(group(m, 1), group(m, 2), m[0], 85)
	}
	for _, re := range []*regexp.Regexp{rePair(), reKeys(), reTuple()} {
		for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
			if group(m, 1) == "" {
				add("*", group(m, 2), m[0], 60)
			} else if !strings.HasSuffix(group(m, 1), ".") { // that is a sentence's end
				add(group(m, 1), group(m, 2), m[0], 80)
			}
		}
	}
	for _, m := range reSix().FindAllStringSubmatchIndex(text, -1) {
		if group(m, 2) != "" {
			add(group(m, 1), group(m, 2), m[0], 85)
		} else {
			add(group(m, 1), "", m[0], 20)
		}
		blank(m)
	}
	text = string(rest)
	for _, m := range reNode().FindAllStringSubmatchIndex(text, -1) {
		s := strings.TrimRight(group(m, 1), ".")
		if host, port, has, err := splitPort(strings.TrimSuffix(s, ":")); err == nil {
			c := candidate{at: m[0], score: 20, port: port, hasPort: has}
			if ip, err := netip.ParseAddr(host); err == nil {
				c.ip = ip
				if has {
					c.score = 85
				}
				out = append(out, c)
				blank(m[2:4])
			}
		}
	}
	text = string(rest)
	for _, m := range reFour().FindAllStringSubmatchIndex(text, -1) {
		if m[0] > 0 && strings.ContainsRune("0123456789.", rune(text[m[0]-1])) {
			continue
		}
		s, _, _ := strings.Cut(text[m[0]:m[1]], ":")
		score := 20
		if group(m, 1) != "" {
			score = 85
		}
		add(s, group(m, 1), m[0], score)
	}
	for _, m := range reHost().FindAllStringSubmatchIndex(text, -1) {
		if score := scoreHost(text, m[0], group(m, 1)); score > 0 {
			add(group(m, 1), group(m, 2), m[0], score)
		}
	}
	for _, m := range reBind().FindAllStringSubmatchIndex(text, -1) {
		add(group(m, 1), "", m[0], 25)
	}
	for _, m := range reLocal().FindAllStringSubmatchIndex(text, -1) {
		add(group(m, 1), "", m[0], 15)
	}
	for _, m := range reAny().FindAllStringSubmatchIndex(text, -1) {
		add("*", group(m, 1), m[0], 45)
	}
	for _, m := range rePort().FindAllStringSubmatchIndex(text, -1) {
		add("*", group(m, 1), m[0], 40)
	}
	if m := reLast().FindStringSubmatchIndex(text); m != nil {
		port, _, _ := strings.Cut(group(m, 1), "/")
		add("*", port, m[0], 10)
	}
	return out
}

// hostCandidate makes a candidate; "*" is no host.
func hostCandidate(host, port string, at, score int) (candidate, bool) {
	c := candidate{at: at, score: score}
	if port != "" {
		n, err := parsePort(port)
		if err != nil || n == 0 {
			return c, false
		}
		c.port, c.hasPort = n, true
	}
	if host == "*" {
		return c, c.hasPort
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		c.ip = ip
		return c, true
	}
	c.name = strings.ToLower(strings.Trim(host, "."))
	return c, validName(c.name)
}

// sources are the ends of file names: "main.go:12" is a place in a program.
var sources = []string{".go", ".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx", ".rb", ".java", ".kt", ".scala", ".rs", ".c", ".cc", ".cpp", ".h", ".php", ".ex", ".exs", ".erl", ".cs", ".lua", ".pl", ".swift", ".vue", ".sh"}

// notHosts stand before a colon and a number and are no hosts.
var notHosts = []string{"line", "col", "column", "error", "errno", "code", "pid", "port", "status", "net", "http", "internal", "exit", "at", "size", "time", "ms"}

// scoreHost says how likely "name:number" is a host and a port.
func scoreHost(text string, at int, name string) int {
	low := strings.ToLower(name)
	if _, special := loopback.SpecialNameOf(low); special {
		return 75
	}
	if slices.ContainsFunc(sources, func(s string) bool { return strings.HasSuffix(low, s) }) || slices.Contains(notHosts, low) {
		return 0
	}
	if strings.HasPrefix(text[at:], "node:") || at > 0 && text[at-1] == ':' {
		return 0 // node:net:1463
	}
	before := strings.ToLower(text[:at])
	for _, w := range []string{"tcp ", "udp ", "to ", "at ", "@", "//", "host ", "on ", "econnrefused ", "econnreset ", "etimedout ", "for "} {
		if strings.HasSuffix(strings.TrimRight(before, `"'`), w) || strings.HasSuffix(before, w+`"`) || strings.HasSuffix(before, w+"'") {
			if w == "at " && strings.Contains(before, "\n") {
				return 0 // a line of a stack
			}
			return 60
		}
	}
	if strings.Contains(name, ".") {
		return 50
	}
	return 0
}

// usualPort gives the port of the program that a message names.
func usualPort(text string) (uint16, bool) {
	low := strings.ToLower(text)
	for _, u := range []struct {
		word string
		port uint16
	}{{"mysql", 3306}, {"redis", 6379}, {"mongo", 27017}, {"postgres", 5432}, {"psql", 5432}, {"memcache", 11211}, {"ssh:", 22}} {
		if strings.Contains(low, u.word) {
			return u.port, true
		}
	}
	return 0, false
}
