package content

import (
	"net/url"
	"strings"

	"lodge/internal/decode"
)

// Header returns the value of a header field as it is shown: of credentials and
// cookies the secret part is masked, of an address with a query its tokens. The
// scheme of credentials, and the names and attributes of cookies, remain.
func Header(c *decode.Conn, name, value string) string {
	if c.Secrets || value == "" || name == "" {
		return value
	}
	switch name[len(name)-1] | 0x20 {
	case 'n': // location is the most frequent one of all that end so
		switch {
		case hasSuffixFold(name, "authorization"):
			return maskCredentials(value)
		case hasSuffixFold(name, "token"):
			return decode.Masked
		case hasSuffixFold(name, "location"):
			return Target(c, value)
		}
	case 'e':
		switch {
		case strings.EqualFold(name, "cookie"):
			return maskCookie(value)
		case strings.EqualFold(name, "set-cookie"):
			return maskSetCookie(value)
		case hasSuffixFold(name, "signature"):
			return decode.Masked
		}
	case 'r', 'i', 'l':
		if strings.EqualFold(name, "referer") || hasSuffixFold(name, "-uri") || hasSuffixFold(name, "-url") {
			return Target(c, value)
		}
	case 't', 'd', 'y', 'h':
		for _, s := range []string{"secret", "password", "api-key", "apikey", "access-key", "auth-key", "secret-key", "private-key", "subscription-key", "x-auth"} {
			if hasSuffixFold(name, s) {
				return decode.Masked
			}
		}
	}
	return value
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// maskCredentials keeps the scheme of credentials (RFC 9110 section 11.4).
func maskCredentials(value string) string {
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok || strings.TrimSpace(rest) == "" || !isToken(scheme) {
		return decode.Masked
	}
	return scheme + " " + decode.Masked
}

// maskCookie keeps the names of cookies (RFC 6265 section 4.2).
func maskCookie(value string) string {
	var b strings.Builder
	for i, pair := range strings.Split(value, ";") {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(maskPair(pair))
	}
	return b.String()
}

// maskSetCookie keeps the name of a cookie and its attributes (RFC 6265 section
// 4.1).
func maskSetCookie(value string) string {
	pair, attributes, ok := strings.Cut(value, ";")
	if !ok {
		return maskPair(pair)
	}
	return maskPair(pair) + ";" + attributes
}

func maskPair(pair string) string {
	name, value, ok := strings.Cut(pair, "=")
	switch {
	case !ok && strings.TrimSpace(name) == "", ok && value == "":
		return pair
	case !ok:
		return decode.Masked
	}
	return name + "=" + decode.Masked
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// Target returns a request's target, or another address, as it is shown: the
// password before a host, and the values of tokens in the query and in the
// fragment, are masked.
func Target(c *decode.Conn, target string) string {
	if c.Secrets || !strings.ContainsAny(target, "?#@") {
		return target
	}
	var b strings.Builder
	rest := target
	if scheme, after, ok := strings.Cut(rest, "://"); ok && !strings.ContainsAny(scheme, "/?#") {
		authority := after
		if i := strings.IndexAny(after, "/?#"); i >= 0 {
			authority = after[:i]
		}
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			user, _, secret := strings.Cut(authority[:at], ":")
			b.WriteString(rest[:len(rest)-len(after)])
			b.WriteString(user)
			if secret {
				b.WriteString(":" + decode.Masked)
			}
			rest = after[at:]
		}
	}
	path, query, ok := strings.Cut(rest, "?")
	if !ok {
		path, query, ok = strings.Cut(rest, "#")
		b.WriteString(path)
		if ok {
			b.WriteString("#" + maskPairs(query))
		}
		return b.String()
	}
	query, fragment, ok := strings.Cut(query, "#")
	b.WriteString(path + "?" + maskPairs(query))
	if ok {
		b.WriteString("#" + maskPairs(fragment))
	}
	return b.String()
}

// maskPairs masks values in a query, or in a form that is encoded as one.
func maskPairs(query string) string {
	var b strings.Builder
	masked := false
	for i, rest, more := 0, query, true; more; i++ {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		if i > 0 {
			b.WriteByte('&')
		}
		name, value, ok := strings.Cut(pair, "=")
		if ok && value != "" && isSecretName(name) {
			masked = true
			b.WriteString(name + "=" + decode.Masked)
			continue
		}
		b.WriteString(pair)
	}
	if !masked {
		return query
	}
	return b.String()
}

// isSecretName reports whether the value of a parameter, or of a member of JSON,
// is a secret, by its name: password, access_token, clientSecret, user[password].
func isSecretName(name string) bool {
	if len(name) > 256 {
		name = name[len(name)-256:]
	}
	if strings.IndexByte(name, '%') >= 0 {
		if s, err := url.QueryUnescape(name); err == nil {
			name = s
		}
	}
	name = strings.TrimSuffix(name, "]")
	if i := strings.LastIndexAny(name, "[."); i >= 0 {
		name = name[i+1:]
	}
	plain := make([]byte, 0, 256)
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' || c == '-' || c == ' ':
		case 'A' <= c && c <= 'Z':
			plain = append(plain, c|0x20)
		default:
			plain = append(plain, c)
		}
	}
	s := string(plain)
	switch s {
	case "auth", "authorization", "jwt", "pass", "passphrase", "pin", "pwd", "session", "sessionid", "sid", "sig", "cookie",
		"clientassertion", "assertion", "credential", "credentials", "xamzcredential":
		return true
	case "pagetoken", "nextpagetoken", "continuationtoken", "nexttoken", "synctoken":
		return false
	}
	for _, suffix := range []string{"token", "secret", "password", "passwd", "pwd", "apikey", "accesskey", "secretkey", "privatekey", "signature"} {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return strings.Contains(s, "password") && !strings.HasSuffix(s, "policy") && !strings.HasSuffix(s, "hint")
}
