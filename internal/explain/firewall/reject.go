package firewall

import "golang.org/x/sys/unix"

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
