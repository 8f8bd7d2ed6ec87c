package proxy

import (
	"unsafe"

	"golang.org/x/net/http/httpguts"
)

// field is a header field that means something to a proxy.
type field uint8

const (
	fieldOther field = iota
	fieldAlias       // spelt with underscores so as to pass for one of those below
	fieldAccept
	fieldCDNLoop
	fieldConnection
	fieldContentLength
	fieldContentType
	fieldExpect
	fieldForwarded
	fieldHost
	fieldHTTP2Settings
	fieldKeepAlive
	fieldOrigin
	fieldProxy // Proxy-Connection, Proxy-Authenticate, Proxy-Authorization
	fieldReferer
	fieldSecFetchDest
	fieldSecFetchMode
	fieldSecFetchSite
	fieldTE
	fieldTrailer
	fieldTransferEncoding
	fieldUpgrade
	fieldXForwarded // -For, -Host, -Port, -Proto, -Server
)

// headField is a field of a head. Its bytes belong to the head.
type headField struct {
	k, v []byte
	is   field
}

// fieldOf names a field. Names are compared without regard to case (RFC 9110,
// section 5.1).
func fieldOf(k []byte) field {
	is := func(name string) bool { return foldEqual(k, name) }
	var f field
	switch len(k) {
	case 2:
		if is("te") {
			f = fieldTE
		}
	case 4:
		if is("host") {
			f = fieldHost
		}
	case 6:
		switch {
		case is("accept"):
			f = fieldAccept
		case is("origin"):
			f = fieldOrigin
		case is("expect"):
			f = fieldExpect
		}
	case 7:
		switch {
		case is("referer"):
			f = fieldReferer
		case is("trailer"):
			f = fieldTrailer
		case is("upgrade"):
			f = fieldUpgrade
		}
	case 8:
		if is("cdn-loop") {
			f = fieldCDNLoop
		}
	case 9:
		if is("forwarded") {
			f = fieldForwarded
		}
	case 10:
		switch {
		case is("connection"):
			f = fieldConnection
		case is("keep-alive"):
			f = fieldKeepAlive
		}
	case 12:
		if is("content-type") {
			f = fieldContentType
		}
	case 14:
		switch {
		case is("content-length"):
			f = fieldContentLength
		case is("sec-fetch-site"):
			f = fieldSecFetchSite
		case is("sec-fetch-mode"):
			f = fieldSecFetchMode
		case is("sec-fetch-dest"):
			f = fieldSecFetchDest
		case is("http2-settings"):
			f = fieldHTTP2Settings
		}
	case 15:
		if is("x-forwarded-for") {
			f = fieldXForwarded
		}
	case 16:
		switch {
		case is("x-forwarded-host"), is("x-forwarded-port"):
			f = fieldXForwarded
		case is("proxy-connection"):
			f = fieldProxy
		}
	case 17:
		switch {
		case is("transfer-encoding"):
			f = fieldTransferEncoding
		case is("x-forwarded-proto"):
			f = fieldXForwarded
		}
	case 18:
		switch {
		case is("x-forwarded-server"):
			f = fieldXForwarded
		case is("proxy-authenticate"):
			f = fieldProxy
		}
	case 19:
		if is("proxy-authorization") {
			f = fieldProxy
		}
	}
	if f != fieldOther {
		for _, c := range k {
			if c == '_' {
				return fieldAlias
			}
		}
	}
	return f
}

// foldEqual compares with a name in lower case. An underscore stands for a
// hyphen: CGI and WSGI make one variable of both (RFC 3875, section 4.1.18),
// so what is spelt so would speak for the proxy.
func foldEqual(k []byte, name string) bool {
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
// blanks around it (RFC 9110, section 5.6.1). It stops where f says false.
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
		found = foldEqual(t, name)
		return !found
	})
	return found
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

// bytesOf and stringOf look at the same bytes in the other type. What they
// give is not written to, and not kept beyond the request that owns the bytes.
func bytesOf(s string) []byte  { return unsafe.Slice(unsafe.StringData(s), len(s)) }
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// validField reports whether a field can be written into a head of HTTP/1
// without changing its shape.
func validField(k, v []byte) bool {
	return httpguts.ValidHeaderFieldName(stringOf(k)) && httpguts.ValidHeaderFieldValue(stringOf(v))
}
