package firewall

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// xtMatch evaluates a match of iptables-nft, whose data is the C structure of
// linux/netfilter/xt_*.h.
func xtMatch(p packet, name string, rev uint32, info []byte) match {
	switch {
	case name == "comment":
		return yes
	case name == "tcp" && rev == 0 && len(info) >= 12:
		if p.c.Protocol != unix.IPPROTO_TCP {
			return no
		}
		// struct xt_tcp: spts[2], dpts[2], option, flg_mask, flg_cmp, invflags.
		m := portsMatch(p, info, info[11]&1 != 0, info[11]&2 != 0)
		flags := p.transport().b[13]
		m = m.and(isIf(flags&info[9] == info[10]).not(info[11]&4 != 0))
		if info[8] != 0 {
			m = m.and(maybe) // it asks for a TCP option
		}
		return m
	case name == "udp" && rev == 0 && len(info) >= 9:
		if p.c.Protocol != unix.IPPROTO_UDP {
			return no
		}
		return portsMatch(p, info, info[8]&1 != 0, info[8]&2 != 0)
	case name == "multiport" && rev == 1 && len(info) >= 48:
		return multiport(p, info)
	}
	return maybe
}

// portsMatch compares both ports with ranges at the head of xt_tcp and xt_udp.
func portsMatch(p packet, info []byte, invSrc, invDst bool) match {
	src, dst := p.ports()
	return src.within16(info[0:]).not(invSrc).and(dst.within16(info[4:]).not(invDst))
}

// ports returns the source and the destination port in network order.
func (p packet) ports() (src, dst value) {
	h := p.transport()
	return value{h.b[0:2], h.known[0:2]}, value{h.b[2:4], h.known[2:4]}
}

// within16 reports whether a port is in a range of two numbers in host order.
func (v value) within16(b []byte) match {
	from, to := binary.NativeEndian.Uint16(b), binary.NativeEndian.Uint16(b[2:])
	if from == 0 && to == 0xffff {
		return yes
	}
	if !v.all() {
		return maybe
	}
	port := binary.BigEndian.Uint16(v.b)
	return isIf(port >= from && port <= to)
}

// multiport reads struct xt_multiport_v1: flags, count, ports[15], pflags[15],
// invert.
func multiport(p packet, info []byte) match {
	const (
		sources, destinations = 0, 1 // XT_MULTIPORT_*
	)
	src, dst := p.ports()
	m := no
	for i := 0; i < int(min(info[1], 15)); i++ {
		at := 2 + 2*i
		var ends [4]byte
		copy(ends[:2], info[at:at+2])
		copy(ends[2:], info[at:at+2])
		if info[32+i] != 0 && i+1 < 15 { // the next one is the range's end
			copy(ends[2:], info[at+2:at+4])
			i++
		}
		switch info[0] {
		case sources:
			m = max(m, src.within16(ends[:]))
		case destinations:
			m = max(m, dst.within16(ends[:]))
		default:
			m = max(m, src.within16(ends[:]), dst.within16(ends[:]))
		}
	}
	return m.not(info[47] != 0)
}

// xtTarget evaluates a target of iptables-nft.
func xtTarget(name string) (match, *end) {
	switch name {
	case "REJECT":
		return yes, &end{outcome: Reject}
	case "DNAT", "REDIRECT":
		return yes, &end{outcome: Redirect}
	case "MASQUERADE", "SNAT", "NETMAP":
		return yes, &end{code: nfAccept}
	case "NFQUEUE":
		return yes, &end{outcome: Queue}
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TRACE", "AUDIT", "CT", "CHECKSUM", "TCPMSS",
		"SECMARK", "CONNSECMARK", "CLASSIFY", "SET", "TOS", "DSCP", "TTL", "HL", "RATEEST", "LED", "TEE", "TPROXY":
		return yes, nil
	}
	return maybe, &end{outcome: Drop}
}
