package tls

import (
	"net/netip"
	"strings"
)

// certificate is what is shown of an X.509 certificate (RFC 5280).
type certificate struct {
	subject, issuer string
	notAfter        string // as RFC 3339 writes it
	names           []string
}

// Tags of DER.
const (
	tagInteger   = 0x02
	tagOID       = 0x06
	tagSequence  = 0x30
	tagSet       = 0x31
	tagUTCTime   = 0x17
	tagTime      = 0x18
	tagContext0  = 0xa0
	tagContext3  = 0xa3
	tagOctets    = 0x04
	tagBMPString = 0x1e
)

// der reads elements one after the other.
type der struct {
	b   []byte
	bad bool
}

// next returns the next element.
func (d *der) next() (tag byte, content []byte) {
	if len(d.b) < 2 || d.b[0]&0x1f == 0x1f {
		d.bad, d.b = true, nil
		return 0, nil
	}
	tag = d.b[0]
	n, at := int(d.b[1]), 2
	if n >= 0x80 {
		count := n & 0x7f
		if count == 0 || count > 3 || len(d.b) < 2+count {
			d.bad, d.b = true, nil
			return 0, nil
		}
		n, at = 0, 2+count
		for _, c := range d.b[2:at] {
			n = n<<8 | int(c)
		}
	}
	if n > len(d.b)-at {
		d.bad, d.b = true, nil
		return 0, nil
	}
	content = d.b[at : at+n]
	d.b = d.b[at+n:]
	return tag, content
}

// want returns the content of the next element, which has to have a tag.
func (d *der) want(tag byte) []byte {
	t, content := d.next()
	if t != tag {
		d.bad, d.b = true, nil
		return nil
	}
	return content
}

// parseCertificate reads a certificate, and reports whether it could.
func parseCertificate(b []byte) (c certificate, ok bool) {
	outer := der{b: b}
	whole := der{b: outer.want(tagSequence)}
	d := der{b: whole.want(tagSequence)}
	if len(d.b) > 0 && d.b[0] == tagContext0 {
		d.next() // version
	}
	d.want(tagInteger)  // serial number
	d.want(tagSequence) // signature
	c.issuer = name(d.want(tagSequence))
	validity := der{b: d.want(tagSequence)}
	validity.next()
	c.notAfter = dateTime(validity.next())
	c.subject = name(d.want(tagSequence))
	if d.want(tagSequence); d.bad || validity.bad { // public key
		return c, false
	}
	for len(d.b) > 0 {
		if tag, content := d.next(); tag == tagContext3 {
			c.alternatives(content)
		}
	}
	return c, true
}

// alternatives takes the subject's alternative names out of the extensions.
func (c *certificate) alternatives(b []byte) {
	outer := der{b: b}
	for l := (der{b: outer.want(tagSequence)}); len(l.b) > 0; {
		ext := der{b: l.want(tagSequence)}
		if string(ext.want(tagOID)) != "\x55\x1d\x11" { // 2.5.29.17
			continue
		}
		tag, content := ext.next()
		if tag == 0x01 { // critical
			tag, content = ext.next()
		}
		if tag != tagOctets {
			return
		}
		value := der{b: content}
		for names := (der{b: value.want(tagSequence)}); len(names.b) > 0 && len(c.names) < 256; {
			switch tag, content := names.next(); tag {
			case 0x81, 0x82, 0x86: // an address of mail, a name, a URI
				c.names = append(c.names, decodeName(content))
			case 0x87:
				if ip, ok := netip.AddrFromSlice(content); ok {
					c.names = append(c.names, ip.String())
				}
			}
		}
	}
}

// attributes are the short names of the attributes in names (RFC 4514).
var attributes = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x05": "serialNumber", "\x55\x04\x06": "C", "\x55\x04\x07": "L", "\x55\x04\x08": "ST",
	"\x55\x04\x09": "STREET", "\x55\x04\x0a": "O", "\x55\x04\x0b": "OU",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01": "emailAddress", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "DC",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01": "UID",
}

// name returns a distinguished name as RFC 4514 writes it: the last part first.
func name(b []byte) string {
	var parts []string
	for d := (der{b: b}); len(d.b) > 0 && len(parts) < 32; {
		var values []string
		for set := (der{b: d.want(tagSet)}); len(set.b) > 0 && len(values) < 32; {
			one := der{b: set.want(tagSequence)}
			oid := one.want(tagOID)
			tag, value := one.next()
			if one.bad {
				break
			}
			short := attributes[string(oid)]
			if short == "" {
				short = "?"
			}
			values = append(values, short+"="+attribute(tag, value))
		}
		parts = append([]string{strings.Join(values, "+")}, parts...)
	}
	return strings.Join(parts, ",")
}

// attribute returns an attribute's value as text.
func attribute(tag byte, b []byte) string {
	b = b[:min(len(b), 512)]
	if tag == tagBMPString {
		narrow := make([]byte, 0, len(b)/2)
		for ; len(b) >= 2; b = b[2:] {
			if b[0] != 0 {
				return "?"
			}
			narrow = append(narrow, b[1])
		}
		b = narrow
	}
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r < ' ' || r == 0x7f || r == '�':
			out.WriteByte('?')
		case strings.ContainsRune(`,+"\<>;`, r):
			out.WriteByte('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// dateTime returns a time of DER as RFC 3339 writes it, or "".
func dateTime(tag byte, b []byte) string {
	s := string(b)
	switch {
	case tag == tagUTCTime && len(s) == 13 && s[:2] < "50":
		s = "20" + s
	case tag == tagUTCTime && len(s) == 13:
		s = "19" + s
	case tag == tagTime && len(s) == 15:
	default:
		return ""
	}
	for i := range 14 {
		if s[i] < '0' || s[i] > '9' {
			return ""
		}
	}
	return s[:4] + "-" + s[4:6] + "-" + s[6:8] + "T" + s[8:10] + ":" + s[10:12] + ":" + s[12:14] + "Z"
}
