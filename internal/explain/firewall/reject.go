package firewall

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"
)

// rejectName writes a reject statement as nft(8) does: with what it answers,
// where that is not the usual "port unreachable".
func rejectName(f fields) string {
	code := byte(0)
	if b := f[unix.NFTA_REJECT_ICMP_CODE]; len(b) > 0 {
		code = b[0]
	}
	var name string
	switch f.num(unix.NFTA_REJECT_TYPE) {
	case unix.NFT_REJECT_TCP_RST:
		return "reject with tcp reset"
	case unix.NFT_REJECT_ICMPX_UNREACH:
		name = []string{"no-route", "", "host-unreachable", "admin-prohibited"}[min(code, 3)]
		if name == "" {
			return "reject"
		}
		return "reject with icmpx " + name
	}
	switch code { // RFC 792 and RFC 1812, section 5.2.7.1
	case 0:
		name = "net-unreachable"
	case 1:
		name = "host-unreachable"
	case 2:
		name = "prot-unreachable"
	case 9:
		name = "net-prohibited"
	case 10:
		name = "host-prohibited"
	case 13:
		name = "admin-prohibited"
	default:
		return "reject"
	}
	return "reject with icmp " + name
}

// targetName writes a target of iptables, which iptables-nft keeps as C data. Of
// REJECT it writes what it answers (linux/netfilter_ipv4/ipt_REJECT.h and
// linux/netfilter_ipv6/ip6t_REJECT.h), where that is not the usual one.
func targetName(family uint8, f fields) string {
	name := strings.ToLower(f.str(unix.NFTA_TARGET_NAME))
	info := f[unix.NFTA_TARGET_INFO]
	if name != "reject" || len(info) < 4 {
		return name
	}
	answers := []string{"icmp net-unreachable", "icmp host-unreachable", "icmp prot-unreachable", "", "", "icmp net-prohibited", "icmp host-prohibited", "tcp reset", "icmp admin-prohibited"}
	if family == unix.NFPROTO_IPV6 {
		answers = []string{"icmpv6 no-route", "icmpv6 admin-prohibited", "icmpv6 not-neighbour", "icmpv6 addr-unreachable", "", "", "tcp reset", "icmpv6 policy-fail", "icmpv6 reject-route"}
	}
	if n := binary.NativeEndian.Uint32(info); int(n) < len(answers) && answers[n] != "" {
		return "reject with " + answers[n]
	}
	return name
}
