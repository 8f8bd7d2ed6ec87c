package http1

import "unsafe"

// Kind is which header field a [Field] is, of those that mean something to a
// proxy.
type Kind uint8

// The kinds of fields.
const (
	KindOther Kind = iota
	KindAlias      // spelt with underscores so as to pass for one of those below
	KindAccept
	KindCDNLoop
	KindConnection
	KindContentLength
	KindContentType
	KindExpect
	KindForwarded
	KindHost
	KindHTTP2Settings
	KindKeepAlive
	KindLocation
	KindOrigin
	KindProxy // Proxy-Connection, Proxy-Authenticate, Proxy-Authorization
	KindReferer
	KindSecFetchDest
	KindSecFetchMode
	KindSecFetchSite
	KindTE
	KindTrailer
	KindTransferEncoding
	KindUpgrade
	KindXForwarded // -For, -Host, -Port, -Proto, -Server
)

// Field is a field of a head. Its bytes belong to the head.
type Field struct {
	Name, Value []byte
	Kind        Kind
}

// NewField returns a field with its kind. It keeps both slices.
func NewField(name, value []byte) Field { return Field{name, value, KindOf(name)} }

// KindOf returns the kind of a field by its name. Names are compared without regard to case (RFC 9110,
// section 5.1).
func KindOf(k []byte) Kind {
	is := func(name string) bool { return EqualFold(k, name) }
	var f Kind
	switch len(k) {
	case 2:
		if is("te") {
			f = KindTE
		}
	case 4:
		if is("host") {
			f = KindHost
		}
	case 6:
		switch {
		case is("accept"):
			f = KindAccept
		case is("origin"):
			f = KindOrigin
		case is("expect"):
			f = KindExpect
		}
	case 7:
		switch {
		case is("referer"):
			f = KindReferer
		case is("trailer"):
			f = KindTrailer
		case is("upgrade"):
			f = KindUpgrade
		}
	case 8:
		switch {
		case is("cdn-loop"):
			f = KindCDNLoop
		case is("location"):
			f = KindLocation
		}
	case 9:
		if is("forwarded") {
			f = KindForwarded
		}
	case 10:
		switch {
		case is("connection"):
			f = KindConnection
		case is("keep-alive"):
			f = KindKeepAlive
		}
	case 12:
		if is("content-type") {
			f = KindContentType
		}
	case 14:
		switch {
		case is("content-length"):
			f = KindContentLength
		case is("sec-fetch-site"):
			f = KindSecFetchSite
		case is("sec-fetch-mode"):
			f = KindSecFetchMode
		case is("sec-fetch-dest"):
			f = KindSecFetchDest
		case is("http2-settings"):
			f = KindHTTP2Settings
		}
	case 15:
		if is("x-forwarded-for") {
			f = KindXForwarded
		}
	case 16:
		switch {
		case is("x-forwarded-host"), is("x-forwarded-port"):
			f = KindXForwarded
		case is("proxy-connection"):
			f = KindProxy
		}
	case 17:
		switch {
		case is("transfer-encoding"):
			f = KindTransferEncoding
		case is("x-forwarded-proto"):
			f = KindXForwarded
		}
	case 18:
		switch {
		case is("x-forwarded-server"):
			f = KindXForwarded
		case is("proxy-authenticate"):
			f = KindProxy
		}
	case 19:
		if is("proxy-authorization") {
			f = KindProxy
		}
	}
	if f != KindOther {
		for _, c := range k {
			if c == '_' {
				return KindAlias
			}
		}
	}
	return f
}

// EqualFold compares a field name or a token with a name in lower case. An underscore stands for a
// hyphen: CGI and WSGI make one variable of both (RFC 3875, section 4.1.18),
// so what is spelt so would speak for the proxy.
func EqualFold(k []byte, name string) bool {
	if len(k) != len(name) {
		return false
	}
	for i, c := range k {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c == '_':
			c = '-'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// tokens calls f with each element of a comma-separated list, without the
// blanks around it (RFC 9110, section 5.6.1). It stops where f returns false.
func tokens(list []byte, f func(token []byte) bool) {
	for len(list) > 0 {
		end := 0
		for end < len(list) && list[end] != ',' {
			end++
		}
		t := trim(list[:end])
		if len(t) > 0 && !f(t) {
			return
		}
		if end == len(list) {
			return
		}
		list = list[end+1:]
	}
}

func hasToken(list []byte, name string) bool {
	found := false
	tokens(list, func(t []byte) bool {
		found = EqualFold(t, name)
		return !found
	})
	return found
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// Bytes returns the bytes of s without a copy. They must not be written to.
func Bytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// String returns b as a string without a copy. It must not be kept beyond the
// message that owns the bytes.
func String(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// ValidField reports whether a field can be written into a head of HTTP/1
// without changing its shape.
func ValidField(name, value []byte) bool { return IsToken(name) && validValue(value) }

// The characters of a token (RFC 9110, section 5.6.2), as bits: those below 64,
// and those from 64.
const (
	tokenLow  = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' | (1<<10-1)<<'0'
	tokenHigh = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) | 1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
)

// IsToken reports whether b is a token: what names of fields and methods are.
func IsToken(b []byte) bool {
	for _, c := range b {
		switch {
		case c < 64:
			if uint64(tokenLow)>>c&1 == 0 {
				return false
			}
		case c >= 128 || uint64(tokenHigh)>>(c-64)&1 == 0:
			return false
		}
	}
	return len(b) > 0
}

// validValue reports whether b has no control character but tabs (RFC 9110,
// section 5.5).
func validValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
