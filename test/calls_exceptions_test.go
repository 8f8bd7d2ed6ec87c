package test

import "regexp"

// callException is a difference between plain Linux and the inside of a home
// that docs/reference/homes.md names.
type callException struct {
	engine, isolation string // "" is every one
	// sequence, linux and inside are regular expressions of a sequence's whole
	// name, of what Linux answers and of what is answered inside. "" is anything.
	sequence, linux, inside string
	reason                  string
	// sometimes says that the difference need not show: it is a race.
	sometimes bool
}

func (x *callException) allows(engine, isolation, sequence, linux, inside string) bool {
	match := func(pattern, s string) bool {
		return pattern == "" || regexp.MustCompile(`^(?:`+pattern+`)$`).MatchString(s)
	}
	return (x.engine == "" || x.engine == engine) && (x.isolation == "" || x.isolation == isolation) &&
		match(x.sequence, sequence) && match(x.linux, linux) && match(x.inside, inside)
}

func callExceptions() []callException {
	const localhost, wildcard = `(127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)`, `(0\.0\.0\.0|::|::ffff:0\.0\.0\.0)`
	return []callException{
		{linux: `.*: getsockname = ` + wildcard + ` .*`, inside: `.*: getsockname = ` + localhost + ` .*`,
			reason: "a socket bound to all interfaces is at the home, shown as localhost"},
		{sequence: `names of localhost, (tcp|udp) server on IPv4, client of ::1`,
			reason: "::1 leads to the home's IPv4 server, too"},
		{sequence: `conflicts .*`, linux: `.*, (127\.0\.0\.2 beside (0\.0\.0\.0|:: dual|::ffff:0\.0\.0\.0)|(0\.0\.0\.0|:: dual|::ffff:0\.0\.0\.0) beside 127\.0\.0\.2): bind .* = EADDRINUSE`, inside: `.* = ok`,
			reason: "a server on all interfaces is at the home only, so other loopback addresses are free"},
		{sequence: `conflicts .*`, linux: `.*, (.* beside :: dual|:: dual beside .*|:: only beside .*|.* beside :: only|::1 .* beside ::1 .*): bind .* = EADDRINUSE`, inside: `.* = ok`,
			reason: "a dual-stack socket is on IPv4 only, and does not keep IPv6 sockets from its port"},
		{linux: `.*(accept = from|getsockname =|getpeername =|recvfrom = b'.*' from) ::1 .*`, inside: `.*(accept = from|getsockname =|getpeername =|recvfrom = b'.*' from) ::ffff:(127\.0\.0\.1|HOME) .*`,
			reason: "a dual-stack server sees its clients at IPv4 addresses"},
		{linux: `.*(accept = from|recvfrom = b'.*' from|getpeername =) (127\.0\.0\.1|::ffff:127\.0\.0\.1|::1) .*`, inside: `.*(accept = from|recvfrom = b'.*' from|getpeername =) (::ffff:)?HOME .*`, engine: seccomp,
			reason: "the peer that accept and recvfrom tell is at the home's address"},
		{linux: `.*(accept = from|recvfrom = b'.*' from|recvmsg = b'.*' from|getsockname =) ::1 P.*`, inside: `.*(accept = from|recvfrom = b'.*' from|recvmsg = b'.*' from|getsockname =) ::1 (DYN|0).*`, engine: seccomp,
			reason: "an IPv6-only socket is at another port of ::1"},
		{sequence: `low port, .*6only`, engine: seccomp, reason: "an IPv6-only socket is at another port of ::1, which every user may bind"},
		{sequence: `packet information, .*`, reason: "IP_PKTINFO and IPV6_PKTINFO tell the home's address"},
		{sequence: `messages, .*`, engine: seccomp, isolation: "overlay", reason: "sendmsg with an address is not seen in an overlay"},
		{sequence: `.*, udplite[46]`, engine: ebpf, isolation: "strict", reason: "a strict home has no UDP-Lite"},
		{sequence: `connected datagrams, udplite[46]`, engine: ebpf, isolation: "overlay", reason: "a connect of UDP-Lite is not seen"},
		{sequence: `bind, (udp|udplite)6`, engine: ebpf, linux: `t: .*`, inside: `t: .*`, reason: "a dual-stack UDP socket at :: does not keep others from ::1"},
		{sequence: `names of localhost, (tcp|udp) dual-stack server, IPv6-only client`, engine: ebpf, reason: "an IPv6-only client does not reach a dual-stack server"},
		{sequence: `(unconnected to a dual-stack server|connected datagrams), udp6`, engine: ebpf, reason: "UDP between ::1 and a dual-stack socket at ::"},
		{sequence: `datagrams to nobody, udp6`, engine: ebpf, linux: `.*ECONNREFUSED`, inside: `.*EAFNOSUPPORT`, reason: "UDP between ::1 and a dual-stack socket at ::"},
		{sequence: `names of localhost, (tcp|udp) mapped address, IPv6-only client`, isolation: "strict", linux: `.*ENETUNREACH`, inside: `.*ECONNREFUSED`,
			reason: "a strict home refuses an address that it cannot lead home"},
		{sequence: `conflicts .*`, linux: `.*, (::1 dual beside .*|.* beside ::1 dual): bind .* = ok`, inside: `.* = EADDRINUSE`,
			reason: "a socket at ::1 that is not IPv6-only is at the home's IPv4 address"},
		{sequence: `bind and the other family, mptcp6`, engine: ebpf, linux: `.* ::ffff:127\.0\.0\.1 .*`, inside: `.* ::1 .*`,
			reason: "a Multipath TCP listener at a mapped address is shown at ::1"},
		{sequence: `signals, .*`, engine: seccomp, linux: `.*`, inside: `.*EINTR.*`, sometimes: true,
			reason: "a signal that comes before the keeper takes the call interrupts it"},
	}
}
