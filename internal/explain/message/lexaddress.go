package message

import (
	"net/netip"
	"strconv"
	"strings"

	"lodge/internal/target"
)

// addressForms take addresses in the forms in which libraries and programs write them.
// Each takes one at the scanner's position and reports whether it did.
type addressForms struct{ *scanner }

// arrow takes both ends of a connection, from a match of reArrow.
func (f addressForms) arrow(m []string) bool {
	read := func(s string) (netip.AddrPort, bool) {
		if a, err := netip.ParseAddrPort(s); err == nil {
			return a, true
		}
		ip, port, ok := target.Unbracketed(s)
		return netip.AddrPortFrom(ip, port), ok
	}
	local, ok := read(m[1])
	remote, ok2 := read(m[2])
	if !ok || !ok2 {
		return false
	}
	t := f.take(address, len(m[0]))
	if remote.Port() == 0 { // Docker: what is exposed -> nothing
		local, remote = netip.AddrPort{}, local
	}
	t.host = host{ip: remote.Addr(), port: remote.Port(), hasPort: true, local: local}
	return true
}

// colons takes an IPv6 address without brackets, with or without a port.
func (f addressForms) colons(rest string) bool {
	m := reColons.get().FindString(rest)
	if strings.Count(m, ":") < 2 || !strings.ContainsAny(m, "0123456789") && strings.Trim(m, ":") != "" {
		return false
	}
	if end := len(m); end < len(rest) && (isLetter(rest[end]) || rest[end] == '_' || isDigit(rest[end])) {
		return false
	}
	if f.at > 0 && (isLetter(f.text[f.at-1]) || isDigit(f.text[f.at-1])) {
		return false
	}
	for _, s := range []string{m, strings.TrimSuffix(m, ":")} {
		if ip, port, ok := target.Unbracketed(s); ok {
			f.take(address, len(s)).host = host{ip: ip, port: port, hasPort: true}
			return true
		}
		ip, err := netip.ParseAddr(s)
		if i := strings.LastIndexByte(s, ':'); i > 0 && (err != nil || f.afterErrno()) {
			// Node writes every IPv6 address and its port with one colon between.
			if head, err2 := netip.ParseAddr(s[:i]); err2 == nil {
				if port, err2 := target.Port(s[i+1:]); err2 == nil {
					f.take(address, len(s)).host = host{ip: head, port: port, hasPort: true}
					return true
				}
			}
		}
		if err == nil && (len(s) > 2 || f.before(" \t\n\"'`(=[{,")) {
			f.take(address, len(s)).host = host{ip: ip}
			return true
		}
	}
	return false
}

// java takes an InetSocketAddress, from a match of reJava.
func (f addressForms) java(m []string) bool {
	name, ip, port := m[1], m[2], m[3]
	if ip != "" {
		a, err := netip.ParseAddr(ip)
		if err != nil {
			// 0:0:0:0:0:0:0:0:8080 has its port in it.
			i := strings.LastIndexByte(ip, ':')
			if i < 0 || port != "" {
				return false
			}
			if a, err = netip.ParseAddr(ip[:i]); err != nil {
				return false
			}
			ip, port = ip[:i], ip[i+1:]
		}
		if !strings.ContainsAny(ip, ".:") || !a.IsValid() {
			return false
		}
	}
	h, ok := hostOf(ip, port)
	if ip == "" {
		h, ok = hostOf(name, port)
	}
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(name); err != nil && target.ValidName(name) {
		h.name = strings.ToLower(name)
	}
	f.take(address, len(m[0])).host = h
	return true
}

// erlang takes an address that is a tuple of numbers.
func (f addressForms) erlang(rest string) bool {
	if m := reErlang4.get().FindStringSubmatch(rest); m != nil {
		return f.takeHost(len(m[0]), strings.Join(m[1:5], "."), m[5], "")
	}
	m := reErlang6.get().FindStringSubmatch(rest)
	if m == nil {
		return false
	}
	var groups []string
	for g := range strings.SplitSeq(m[1], ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(g), 10, 16)
		if err != nil {
			return false
		}
		groups = append(groups, strconv.FormatUint(n, 16))
	}
	return f.takeHost(len(m[0]), strings.Join(groups, ":"), m[2], "")
}
