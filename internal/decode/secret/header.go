package secret

import (
	"strings"

	"lodge/internal/decode"
)

// HeaderValue returns the value of a header field as it is shown. The scheme of
// credentials, and the names and attributes of cookies, remain; of an address its tokens
// are masked.
func HeaderValue(name, value string) string {
	if name == "" || value == "" || isFrequent(name) {
		return value
	}
	switch last := name[len(name)-1] | 0x20; {
	case last == 'n' && hasSuffixFold(name, "authorization"):
		return credentials(value)
	case last == 'e' && strings.EqualFold(name, "cookie"):
		return cookies(value)
	case last == 'e' && strings.EqualFold(name, "set-cookie"):
		return setCookie(value)
	case last == 'l' && strings.EqualFold(name, "sec-websocket-protocol"):
		return subprotocols(value)
	case isAddress(name, last):
		return Target(value)
	}
	if Is(Header, name) {
		return decode.Masked
	}
	return value
}

// isFrequent reports whether a name is one of the most frequent ones, whose values are
// shown: it saves the search for others.
func isFrequent(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
		"Content-Type", "Date", "ETag", "Expires", "Host", "Last-Modified", "Origin", "Server", "Transfer-Encoding", "User-Agent", "Vary",
		"accept", "accept-encoding", "accept-language", "accept-ranges", "cache-control", "content-encoding", "content-length",
		"content-type", "date", "etag", "expires", "last-modified", "origin", "server", "user-agent", "vary",
		":authority", ":method", ":scheme", ":status":
		return true
	}
	return false
}

// isAddress reports whether the values of a header field are addresses. last is the last
// letter of its name.
func isAddress(name string, last byte) bool {
	switch last {
	case 'n':
		return hasSuffixFold(name, "location") || strings.EqualFold(name, "destination")
	case 'r':
		return strings.EqualFold(name, "referer") || strings.EqualFold(name, "referrer")
	case 'i', 'l':
		return hasSuffixFold(name, "-uri") || hasSuffixFold(name, "-url")
	case 'h':
		return strings.EqualFold(name, "refresh") || strings.EqualFold(name, ":path")
	case 'k':
		return strings.EqualFold(name, "link")
	}
	return false
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// credentials keeps the scheme of credentials (RFC 9110 section 11.4).
func credentials(value string) string {
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok || strings.TrimSpace(rest) == "" || !isToken(scheme) {
		return decode.Masked
	}
	return scheme + " " + decode.Masked
}

// cookies keeps the names of cookies (RFC 6265 section 4.2).
func cookies(value string) string {
	var b strings.Builder
	for i, pair := range strings.Split(value, ";") {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(cookie(pair))
	}
	return b.String()
}

// setCookie keeps the name of a cookie and its attributes (RFC 6265 section 4.1).
func setCookie(value string) string {
	pair, attributes, ok := strings.Cut(value, ";")
	if !ok {
		return cookie(pair)
	}
	return cookie(pair) + ";" + attributes
}

func cookie(pair string) string {
	name, value, ok := strings.Cut(pair, "=")
	switch {
	case !ok && strings.TrimSpace(name) == "", ok && value == "":
		return pair
	case !ok:
		return decode.Masked
	}
	return name + "=" + decode.Masked
}

// subprotocols masks the tokens that pages send as a subprotocol, since a WebSocket of a
// browser can have no other header field: what stands behind "bearer." or the like (as
// Kubernetes takes it), and what follows a name of a secret.
func subprotocols(value string) string {
	parts := strings.Split(value, ",")
	hidden := false
	for i, part := range parts {
		name := strings.TrimSpace(part)
		blanks := part[:len(part)-len(strings.TrimLeft(part, " \t"))]
		at := strings.LastIndexByte(name, '.')
		switch {
		case hidden:
			parts[i] = blanks + decode.Masked
		case strings.HasPrefix(name, "eyJ"): // a JSON Web Token
			parts[i] = blanks + decode.Masked
		case at >= 0 && isBearer(name[:at]):
			parts[i] = blanks + name[:at+1] + decode.Masked
		case at >= 0 && isBearer(name):
			parts[i] = blanks + name[:strings.IndexByte(name, '.')+1] + decode.Masked
		}
		hidden = !hidden && Is(Parameter, name)
	}
	return strings.Join(parts, ",")
}

// isBearer reports whether a part of a name says that a token follows.
func isBearer(name string) bool {
	for part := range strings.SplitSeq(strings.ToLower(name), ".") {
		switch part {
		case "bearer", "token", "auth", "authorization", "jwt":
			return true
		}
	}
	return false
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
