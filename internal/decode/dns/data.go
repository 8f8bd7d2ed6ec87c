package dns

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// data returns the data of a record as text. Where the reader is bad afterwards,
// or has bytes left, it is not what its type has.
func data(r *reader, typ uint16) (text string, serial uint32) {
	switch typ {
	case 1: // A
		return address(r.bytes(4)), 0
	case 28: // AAAA
		return address(r.bytes(16)), 0
	case 2, 5, 12, 39: // NS, CNAME, PTR, DNAME
		return r.name(), 0
	case typeSOA:
		text = r.name() + " " + r.name()
		serial = r.uint32()
		return fmt.Sprintf("%s %d %d %d %d %d", text, serial, r.uint32(), r.uint32(), r.uint32(), r.uint32()), serial
	case 15: // MX
		return fmt.Sprintf("%d %s", r.uint16(), r.name()), 0
	case 16, 99: // TXT, SPF
		return strings.Join(texts(r, r.left()), " "), 0
	case 13: // HINFO
		return strings.Join(texts(r, r.left()), " "), 0
	case 17: // RP
		return r.name() + " " + r.name(), 0
	case 18: // AFSDB
		return fmt.Sprintf("%d %s", r.uint16(), r.name()), 0
	case 33: // SRV
		return fmt.Sprintf("%d %d %d %s", r.uint16(), r.uint16(), r.uint16(), r.name()), 0
	case 35: // NAPTR
		return fmt.Sprintf("%d %d %s %s", r.uint16(), r.uint16(), strings.Join(texts3(r), " "), r.name()), 0
	case 43, 59: // DS, CDS
		return fmt.Sprintf("%d %d %d %x", r.uint16(), r.uint8(), r.uint8(), r.bytes(r.left())), 0
	case 44: // SSHFP
		return fmt.Sprintf("%d %d %x", r.uint8(), r.uint8(), r.bytes(r.left())), 0
	case 46: // RRSIG
		text = fmt.Sprintf("%s %d %d %d %d %d %d", typeName(r.uint16()), r.uint8(), r.uint8(), r.uint32(), r.uint32(), r.uint32(), r.uint16())
		text += " " + r.name()
		return text + " " + base64.StdEncoding.EncodeToString(r.bytes(r.left())), 0
	case 47: // NSEC
		return strings.TrimSpace(r.name() + " " + bitmap(r)), 0
	case 48, 60: // DNSKEY, CDNSKEY
		return fmt.Sprintf("%d %d %d %s", r.uint16(), r.uint8(), r.uint8(), base64.StdEncoding.EncodeToString(r.bytes(r.left()))), 0
	case 52: // TLSA
		return fmt.Sprintf("%d %d %d %x", r.uint8(), r.uint8(), r.uint8(), r.bytes(r.left())), 0
	case 64, 65: // SVCB, HTTPS
		return service(r), 0
	case 250: // TSIG
		return signature(r), 0
	case 256: // URI
		return fmt.Sprintf("%d %d %q", r.uint16(), r.uint16(), r.bytes(r.left())), 0
	case 257: // CAA
		flags := r.uint8()
		tag := r.bytes(int(r.uint8()))
		return fmt.Sprintf("%d %s %q", flags, tag, r.bytes(r.left())), 0
	}
	return opaque(r.bytes(r.left())), 0
}

// signature is the data of TSIG (RFC 8945 section 4.2): the algorithm, the time, by how
// many seconds it may be wrong, the MAC with its length, the number and the error.
func signature(r *reader) string {
	text := fmt.Sprintf("%s %d %d", r.name(), uint64(r.uint16())<<32|uint64(r.uint32()), r.uint16())
	mac := r.bytes(int(r.uint16()))
	text += fmt.Sprintf(" %d %s %d %d", len(mac), base64.StdEncoding.EncodeToString(mac), r.uint16(), r.uint16())
	if other := r.bytes(int(r.uint16())); len(other) > 0 {
		text += fmt.Sprintf(" %x", other)
	}
	return text
}

func address(b []byte) string {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return ""
	}
	return a.String()
}

// texts reads character strings in n bytes.
func texts(r *reader, n int) []string {
	var all []string
	for end := r.at + n; r.at < end && !r.bad; {
		all = append(all, fmt.Sprintf("%q", r.bytes(int(r.uint8()))))
	}
	return all
}

func texts3(r *reader) []string {
	var all []string
	for range 3 {
		all = append(all, fmt.Sprintf("%q", r.bytes(int(r.uint8()))))
	}
	return all
}

// bitmap reads the types that a NSEC has.
func bitmap(r *reader) string {
	var all []string
	for r.left() > 0 && !r.bad {
		window := uint16(r.uint8()) << 8
		for i, c := range r.bytes(int(r.uint8())) {
			for bit := range 8 {
				if c&(0x80>>bit) != 0 {
					all = append(all, typeName(window|uint16(i*8+bit)))
				}
			}
		}
	}
	return strings.Join(all, " ")
}

var serviceKeys = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"}

func serviceKey(k uint16) string {
	if int(k) < len(serviceKeys) {
		return serviceKeys[k]
	}
	return fmt.Sprintf("key%d", k)
}

// service reads the data of SVCB and HTTPS.
func service(r *reader) string {
	parts := []string{fmt.Sprintf("%d %s", r.uint16(), r.name())}
	for r.left() > 0 && !r.bad {
		key := r.uint16()
		v := &reader{b: r.bytes(int(r.uint16()))}
		var list []string
		switch key {
		case 0:
			for v.left() > 0 && !v.bad {
				list = append(list, serviceKey(v.uint16()))
			}
		case 1:
			for v.left() > 0 && !v.bad {
				list = append(list, string(v.bytes(int(v.uint8()))))
			}
		case 2:
		case 3:
			list = append(list, fmt.Sprint(v.uint16()))
		case 4, 6:
			n := 4
			if key == 6 {
				n = 16
			}
			for v.left() > 0 && !v.bad {
				list = append(list, address(v.bytes(n)))
			}
		case 7:
			list = append(list, string(v.bytes(v.left())))
		default:
			list = append(list, base64.StdEncoding.EncodeToString(v.bytes(v.left())))
		}
		if v.bad || v.left() > 0 {
			r.bad = true
		}
		part := serviceKey(key)
		if len(list) > 0 {
			part += "=" + strings.Join(list, ",")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

// edns returns what an OPT record says (RFC 6891).
func edns(r *reader, rr record) string {
	parts := []string{fmt.Sprintf("version=%d udp=%d", rr.ttl>>16&0xff, rr.class)}
	if rr.ttl&0x8000 != 0 {
		parts = append(parts, "do")
	}
	for r.left() > 0 && !r.bad {
		code := r.uint16()
		v := &reader{b: r.bytes(int(r.uint16()))}
		switch code {
		case 3:
			parts = append(parts, fmt.Sprintf("nsid=%x", v.b))
		case 8:
			parts = append(parts, "subnet="+subnet(v))
		case 10:
			parts = append(parts, fmt.Sprintf("cookie=%x", v.b))
		case 11:
			parts = append(parts, "keepalive")
			if v.left() == 2 {
				parts[len(parts)-1] += fmt.Sprintf("=%d", v.uint16())
			}
		case 12:
			parts = append(parts, fmt.Sprintf("padding=%d", v.left()))
		case 15:
			part := fmt.Sprintf("error=%d", v.uint16())
			if v.left() > 0 {
				part += fmt.Sprintf(" %q", v.bytes(v.left()))
			}
			parts = append(parts, part)
		default:
			parts = append(parts, fmt.Sprintf("option%d=%x", code, v.b))
		}
	}
	return strings.Join(parts, " ")
}

// subnet is a client's subnet (RFC 7871).
func subnet(r *reader) string {
	family, bits := r.uint16(), r.uint8()
	r.uint8() // scope
	n := 4
	if family == 2 {
		n = 16
	}
	b := r.bytes(r.left())
	if len(b) > n {
		b = b[:n]
	}
	a, _ := netip.AddrFromSlice(append(slices.Clone(b), make([]byte, n-len(b))...))
	return fmt.Sprintf("%s/%d", a, bits)
}
