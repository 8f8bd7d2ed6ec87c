package http1

import "bytes"

// MaxHost is the longest host name of DNS (RFC 1035, section 2.3.4) with a
// dot at the end.
const MaxHost = 254

// SplitHost takes a Host field apart (RFC 9110, section 7.2): the name in
// lower case without the dot at its end, written to buf, and the port, which
// may be empty. ok is false for what is neither a host name nor an address, so
// that nothing else is ever sent to a service or shown. Where the name leads is
// decided by package policy.
func SplitHost(buf *[MaxHost]byte, field []byte) (name, port []byte, ok bool) {
	host := field
	if len(field) > 0 && field[0] == '[' { // an IPv6 address
		end := bytes.IndexByte(field, ']')
		if end < 0 {
			return nil, nil, false
		}
		host, port = field[:end+1], field[end+1:]
		if len(port) > 0 {
			if port[0] != ':' {
				return nil, nil, false
			}
			port = port[1:]
		}
	} else if colon := bytes.IndexByte(field, ':'); colon >= 0 {
		host, port = field[:colon], field[colon+1:]
	}
	if len(host) == 0 || len(host) > MaxHost || len(port) > 5 {
		return nil, nil, false
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return nil, nil, false
		}
	}
	for i, c := range host {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		case host[0] == '[' && (c == ':' || c == '[' && i == 0 || c == ']' && i == len(host)-1):
		default:
			return nil, nil, false
		}
		buf[i] = c
	}
	name = buf[:len(host)]
	if len(name) > 1 && name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	return name, port, true
}
