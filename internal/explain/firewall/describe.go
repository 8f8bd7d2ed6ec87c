package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

// describe writes a rule much as nft(8) lists it. What it cannot write it names
// in brackets, so that no condition is left out.
func (rs *Ruleset) describe(ch *Chain, r *Rule) string {
	var out []string
	what := map[uint32]string{} // what is in a register
	kind := map[uint32]string{}
	for _, x := range r.Exprs {
		f := decodeFields(x.Data)
		switch x.Name {
		case "meta":
			if src, ok := f.u32(unix.NFTA_META_SREG); ok {
				out = append(out, metaName(f.num(unix.NFTA_META_KEY))+" set "+what[src])
				continue
			}
			reg := f.num(unix.NFTA_META_DREG)
			what[reg] = metaName(f.num(unix.NFTA_META_KEY))
			kind[reg] = metaKind(f.num(unix.NFTA_META_KEY))
		case "payload":
			reg := f.num(unix.NFTA_PAYLOAD_DREG)
			what[reg], kind[reg] = payloadName(f, out)
		case "ct":
			reg := f.num(unix.NFTA_CT_DREG)
			what[reg], kind[reg] = "ct "+ctName(f.num(unix.NFTA_CT_KEY)), "ct"
		case "fib":
			reg := f.num(unix.NFTA_FIB_DREG)
			what[reg], kind[reg] = "fib", "hex"
		case "cmp":
			reg := f.num(unix.NFTA_CMP_SREG)
			out = append(out, what[reg]+op(f.num(unix.NFTA_CMP_OP))+show(kind[reg], decodeFields(f[unix.NFTA_CMP_DATA])[unix.NFTA_DATA_VALUE]))
		case "range":
			reg := f.num(unix.NFTA_RANGE_SREG)
			from := decodeFields(f[unix.NFTA_RANGE_FROM_DATA])[unix.NFTA_DATA_VALUE]
			to := decodeFields(f[unix.NFTA_RANGE_TO_DATA])[unix.NFTA_DATA_VALUE]
			out = append(out, what[reg]+op(f.num(unix.NFTA_RANGE_OP))+show(kind[reg], from)+"-"+show(kind[reg], to))
		case "bitwise":
			reg := f.num(unix.NFTA_BITWISE_DREG)
			mask := decodeFields(f[unix.NFTA_BITWISE_MASK])[unix.NFTA_DATA_VALUE]
			src := f.num(unix.NFTA_BITWISE_SREG)
			what[reg], kind[reg] = what[src], kind[src]
			if kind[src] == "ct" {
				what[reg] += " " + ctStates(mask)
			} else {
				what[reg] += " & " + show(kind[src], mask)
			}
		case "byteorder":
			what[f.num(unix.NFTA_BYTEORDER_DREG)] = what[f.num(unix.NFTA_BYTEORDER_SREG)]
		case "lookup":
			reg := f.num(unix.NFTA_LOOKUP_SREG)
			word := what[reg] + " "
			if f.num(unix.NFTA_LOOKUP_FLAGS)&1 != 0 {
				word += "!= "
			}
			if d, ok := f.u32(unix.NFTA_LOOKUP_DREG); ok {
				if d == unix.NFT_REG_VERDICT {
					word += "vmap "
				} else {
					word += "map "
				}
			}
			out = append(out, word+rs.setName(ch, f.str(unix.NFTA_LOOKUP_SET), kind[reg]))
		case "immediate":
			data := decodeFields(f[unix.NFTA_IMMEDIATE_DATA])
			if v := decodeVerdict(data[unix.NFTA_DATA_VERDICT]); data[unix.NFTA_DATA_VERDICT] != nil && v != nil {
				out = append(out, verdictName(v))
			} else {
				what[f.num(unix.NFTA_IMMEDIATE_DREG)] = show("hex", data[unix.NFTA_DATA_VALUE])
			}
		case "match":
			if name := f.str(unix.NFTA_MATCH_NAME); name != "comment" {
				out = append(out, "[match "+name+"]")
			}
		case "target":
			out = append(out, targetName(ch.Family, f))
		case "reject":
			out = append(out, rejectName(f))
		case "counter", "notrack", "masq":
			out = append(out, x.Name)
		case "redir":
			out = append(out, "redirect")
		case "nat":
			if f.num(unix.NFTA_NAT_TYPE) == 1 {
				out = append(out, "dnat")
			} else {
				out = append(out, "snat")
			}
		default:
			out = append(out, "["+x.Name+"]")
		}
	}
	return tidy(out)
}

// tidy leaves out conditions that the next one says too: nft(8) adds
// "meta l4proto tcp" where one writes "tcp dport".
func tidy(words []string) string {
	var kept []string
	for _, w := range words {
		if n := len(kept); n > 0 {
			proto, isProto := strings.CutPrefix(kept[n-1], "meta l4proto ")
			if isProto && strings.HasPrefix(w, proto+" ") ||
				kept[n-1] == "meta nfproto ipv4" && strings.HasPrefix(w, "ip ") ||
				kept[n-1] == "meta nfproto ipv6" && strings.HasPrefix(w, "ip6 ") {
				kept = kept[:n-1]
			}
		}
		// "ct state new & … != 0" is how "ct state new" is made.
		if strings.HasPrefix(w, "ct state ") {
			w = strings.TrimSuffix(w, " != 0")
		}
		if w != "counter" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

func (rs *Ruleset) setName(ch *Chain, name, kind string) string {
	s := rs.sets[setKey{ch.Family, ch.Table, name}]
	if !strings.HasPrefix(name, "__") || s == nil || s.Interval || len(s.Fields) > 0 || len(s.Elements) > 8 {
		return "@" + name
	}
	var els []string
	for _, el := range s.Elements {
		w := show(kind, el.Key)
		if el.Verdict != nil {
			w += " : " + verdictName(el.Verdict)
		}
		els = append(els, w)
	}
	slices.Sort(els) // the kernel gives them by hash
	return "{ " + strings.Join(els, ", ") + " }"
}

func verdictName(v *verdict) string {
	switch v.code {
	case nfDrop:
		return "drop"
	case nfAccept:
		return "accept"
	case unix.NFT_JUMP:
		return "jump " + v.chain
	case unix.NFT_GOTO:
		return "goto " + v.chain
	case unix.NFT_RETURN:
		return "return"
	case continueRule:
		return "continue"
	}
	return "queue"
}

func op(n uint32) string {
	if n > 5 {
		return " ? "
	}
	return []string{" ", " != ", " < ", " <= ", " > ", " >= "}[n]
}

func metaName(key uint32) string {
	switch key {
	case unix.NFT_META_IIF:
		return "iif"
	case unix.NFT_META_OIF:
		return "oif"
	case unix.NFT_META_IIFNAME:
		return "iifname"
	case unix.NFT_META_OIFNAME:
		return "oifname"
	case unix.NFT_META_L4PROTO:
		return "meta l4proto"
	case unix.NFT_META_NFPROTO:
		return "meta nfproto"
	case unix.NFT_META_PROTOCOL:
		return "meta protocol"
	case unix.NFT_META_SKUID:
		return "meta skuid"
	case unix.NFT_META_SKGID:
		return "meta skgid"
	case unix.NFT_META_MARK:
		return "meta mark"
	case unix.NFT_META_CGROUP:
		return "meta cgroup"
	}
	return fmt.Sprintf("meta %d", key)
}

func metaKind(key uint32) string {
	switch key {
	case unix.NFT_META_IIFNAME, unix.NFT_META_OIFNAME:
		return "text"
	case unix.NFT_META_L4PROTO:
		return "l4proto"
	case unix.NFT_META_NFPROTO:
		return "nfproto"
	case unix.NFT_META_IIF, unix.NFT_META_OIF:
		return "index"
	case unix.NFT_META_SKUID, unix.NFT_META_SKGID, unix.NFT_META_CGROUP:
		return "host"
	}
	return "hex"
}

// payloadName names the field of a header. which header it is, the conditions
// before it say.
func payloadName(f fields, before []string) (name, kind string) {
	base, at, n := f.num(unix.NFTA_PAYLOAD_BASE), f.num(unix.NFTA_PAYLOAD_OFFSET), f.num(unix.NFTA_PAYLOAD_LEN)
	said := strings.Join(before, " ")
	switch {
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && n == 16 && at == 8:
		return "ip6 saddr", "ip"
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && n == 16 && at == 24:
		return "ip6 daddr", "ip"
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && n <= 4 && at == 12:
		return "ip saddr", "ip"
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && n <= 4 && at == 16:
		return "ip daddr", "ip"
	case base == unix.NFT_PAYLOAD_NETWORK_HEADER && n == 1 && at == 9:
		return "ip protocol", "l4proto"
	case base == unix.NFT_PAYLOAD_TRANSPORT_HEADER && n == 2 && at <= 2:
		proto := "th"
		if strings.Contains(said, "l4proto tcp") || strings.Contains(said, "protocol tcp") {
			proto = "tcp"
		} else if strings.Contains(said, "l4proto udp") || strings.Contains(said, "protocol udp") {
			proto = "udp"
		}
		return proto + []string{" sport", "", " dport"}[at], "port"
	}
	return fmt.Sprintf("@%d,%d,%d", base, at*8, n*8), "hex"
}

func ctName(key uint32) string {
	switch key {
	case unix.NFT_CT_STATE:
		return "state"
	case unix.NFT_CT_MARK:
		return "mark"
	case unix.NFT_CT_DIRECTION:
		return "direction"
	}
	return strconv.Itoa(int(key))
}

func ctStates(mask []byte) string {
	if len(mask) != 4 {
		return "?"
	}
	n := binary.NativeEndian.Uint32(mask)
	var out []string
	for i, name := range []string{"invalid", "established", "related", "new"} {
		if n&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	if n&ctUntracked != 0 {
		out = append(out, "untracked")
	}
	return strings.Join(out, ",")
}

// show writes a value that a rule compares with.
func show(kind string, b []byte) string {
	switch kind {
	case "text":
		return strconv.Quote(text(b))
	case "port":
		if len(b) >= 2 {
			return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
		}
	case "ip":
		if a, ok := netip.AddrFromSlice(b); ok {
			return a.String()
		}
		// A prefix of whole bytes is compared by them alone.
		var a [4]byte
		copy(a[:], b)
		return netip.PrefixFrom(netip.AddrFrom4(a), 8*len(b)).String()
	case "l4proto":
		if len(b) == 1 && b[0] == unix.IPPROTO_TCP {
			return "tcp"
		}
		if len(b) == 1 && b[0] == unix.IPPROTO_UDP {
			return "udp"
		}
	case "nfproto":
		if len(b) == 1 && b[0] == familyIPv4 {
			return "ipv4"
		}
		if len(b) == 1 && b[0] == familyIPv6 {
			return "ipv6"
		}
	case "index":
		if len(b) == 4 && binary.NativeEndian.Uint32(b) == 1 {
			return `"lo"`
		}
		fallthrough
	case "host":
		if len(b) == 4 {
			return strconv.FormatUint(uint64(binary.NativeEndian.Uint32(b)), 10)
		}
	case "ct":
		if len(b) == 4 && binary.NativeEndian.Uint32(b) == 0 {
			return "0"
		}
	}
	return fmt.Sprintf("0x%x", b)
}
