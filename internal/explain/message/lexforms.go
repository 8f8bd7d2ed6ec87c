package message

import (
	"strconv"
	"strings"

	"lodge/internal/target"
)

var (
	reService = compiled(`^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]|\*):([a-z][a-z0-9-]*[a-z0-9])\b`)
	// qemu: hostfwd=tcp::2222-:22, what listens here and where it leads.
	reHostFwd = compiled(`^(tcp|udp):(\d{1,3}(?:\.\d{1,3}){3})?:(\d{1,5})-(?:\d{1,3}(?:\.\d{1,3}){3})?:\d{1,5}\b`)
	// OpenVPN: [AF_INET][undef]:1194, [AF_INET6]::1:1194.
	reFamily = compiled(`^\[AF_INET6?\](?:\[undef\]:(\d{1,5})\b)?`)
	// A DnsEndPoint of .NET: Unspecified/localhost:27017.
	reDotNet = compiled(`^(?:Unspecified|InterNetwork(?:V6)?)/([A-Za-z][\w.-]*|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:]+\]):(\d{1,5})\b`)
	// Ports that are not right behind "port": vagrant, get-port, gradio, GlassFish, Quarkus.
	// Docker: [::]:8080:172.17.0.2:80/tcp, what listens here and where it leads.
	reMapping6 = compiled(`^\[([0-9A-Fa-f:]+)\]:(\d{1,5}):(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:]+\]):\d{1,5}(?:/(tcp|udp))?`)
	// Knot, Unbound: 127.0.0.1@53.
	reAt       = compiled(`^(\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})@(\d{1,5})\b`)
	rePortWord = compiled(`^(?i:(?:forwarded port to|port (?:in|within) range:|port\(s\) already bound:) (\d{2,5})|tried (\d{4,5}))\b`)
	// undici, which has the local end before it: elsewhere it is a client's port.
	reRemote = compiled(`^remotePort: (\d{1,5})\b`)
	reTimes  = compiled(`^ (?:times|attempts|addresses|ports)\b`)
)

// form takes an address in a form that only one program writes.
func (f addressForms) form(rest string) bool {
	if m := reAt.get().FindStringSubmatch(rest); m != nil && f.before(" \t\n\"'`(=[<") && f.takeHost(len(m[0]), m[1], m[2], "") {
		return true
	}
	switch c := rest[0]; {
	case isLetter(c) && (f.at == 0 || !isLetter(f.text[f.at-1])):
		if m := reHostFwd.get().FindStringSubmatch(rest); m != nil {
			return f.takeHost(len(m[0]), m[2], m[3], m[1])
		}
		if m := reDotNet.get().FindStringSubmatch(rest); m != nil {
			return f.takeHost(len(m[0]), strings.Trim(m[1], "[]"), m[2], "")
		}
		if m := rePortWord.get().FindStringSubmatch(rest); m != nil && !reTimes.get().MatchString(rest[len(m[0]):]) {
			f.takePort(len(m[0]), m[1]+m[2], "")
			return true
		}
		if m := reRemote.get().FindStringSubmatch(rest); m != nil && strings.Contains(f.text[max(0, f.at-200):f.at], "localPort: ") {
			f.takePort(len(m[0]), m[1], "")
			return true
		}
		if s := "UNKNOWN port 65535"; strings.HasPrefix(rest, s) { // ssh, behind a ProxyCommand
			f.take(noise, len(s))
			return true
		}
	case c == '[':
		if m := reMapping6.get().FindStringSubmatch(rest); m != nil {
			return f.takeHost(len(m[0]), m[1], m[2], m[3])
		}
		m := reFamily.get().FindStringSubmatch(rest)
		if m == nil {
			return false
		}
		if m[1] != "" {
			return f.takeHost(len(m[0]), "", m[1], "")
		}
		f.take(noise, len(m[0]))
		f.colons(f.text[f.at:])
		return true
	case c == ':' && strings.HasPrefix(rest, ":: caused by"), c == ':' && strings.HasSuffix(f.text[:f.at], "caused by "):
		if strings.HasPrefix(rest, ":: ") { // MongoDB: what stands between an error and its cause
			f.take(noise, 2)
			return true
		}
	}
	return false
}

// isDisplay reports whether the address at token i is an X display: display :99,
// DISPLAY=localhost:10.0.
func (g *grammar) isDisplay(i int) bool {
	j := i - 1
	for j >= 0 && strings.Contains(`"'=:`, g.text(j)) && g.text(j) != "" {
		j--
	}
	h := &g.tokens[i].host
	return g.text(j) == "display" && h.hasPort && h.port < 1000
}

// pair returns the port of the IP address at token i in name(127.0.0.1, 143).
func (g *grammar) pair(i int) (*token, bool) {
	if !g.tokens[i].host.ip.IsValid() || g.text(i-1) != "(" || g.text(i+1) != "," || g.text(i+3) != ")" || g.tokens[i+2].kind != number {
		return nil, false
	}
	return &g.tokens[i+2], true
}

// service takes an address whose port is written as a service's name, as lsof,
// ss and telnet do: localhost:http.
func (f addressForms) service(rest string) bool {
	if !f.before(" \t\n\"'`(=<,>/@") {
		return false
	}
	m := reService.get().FindStringSubmatch(rest)
	if m == nil {
		return false
	}
	port, ok := target.ServicePort(m[1])
	name := strings.Trim(m[0][:len(m[0])-len(m[1])-1], "[]")
	return ok && f.takeHost(len(m[0]), name, strconv.Itoa(int(port)), "")
}
