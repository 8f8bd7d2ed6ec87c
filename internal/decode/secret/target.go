package secret

import (
	"net/url"
	"strings"

	"lodge/internal/decode"
)

// Target returns the target of a request, or another address, as it is shown: the
// password before a host, and the values of secret parameters of the path, the query and
// the fragment, are masked.
func Target(target string) string { return maskTarget(target, maxDepth) }

// maxDepth is how many texts within texts are looked into: an address that is a
// parameter of another one, JSON in a string of JSON.
const maxDepth = 3

func maskTarget(target string, depth int) string {
	if !strings.ContainsAny(target, "?#@;") {
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
			user, _, hasSecret := strings.Cut(authority[:at], ":")
			b.WriteString(rest[:len(rest)-len(after)])
			b.WriteString(user)
			if hasSecret {
				b.WriteString(":" + decode.Masked)
			}
			rest = after[at:]
		}
	}
	path, query := rest, ""
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		path, query = rest[:i], rest[i:]
	}
	b.WriteString(pathParameters(path))
	for query != "" { // what begins with ? or #
		end := len(query)
		if i := strings.IndexByte(query[1:], '#'); i >= 0 {
			end = i + 1
		}
		b.WriteByte(query[0])
		b.WriteString(pairs(query[1:end], depth))
		query = query[end:]
	}
	return b.String()
}

// pathParameters masks parameters of segments, as in /a;jsessionid=1/b.
func pathParameters(path string) string {
	if strings.IndexByte(path, ';') < 0 {
		return path
	}
	var b strings.Builder
	done := 0
	for i := 0; i < len(path); i++ {
		if path[i] != ';' {
			continue
		}
		end := len(path)
		if n := strings.IndexAny(path[i+1:], ";/"); n >= 0 {
			end = i + 1 + n
		}
		name, value, ok := strings.Cut(path[i+1:end], "=")
		if ok && value != "" && Is(Parameter, name) {
			b.WriteString(path[done:end-len(value)] + decode.Masked)
			done = end
		}
		i = end - 1
	}
	return b.String() + path[done:]
}

// Pairs masks values in a query, or in a form that is encoded as one.
func Pairs(query string) string { return pairs(query, maxDepth) }

func pairs(query string, depth int) string {
	var b strings.Builder
	done := 0 // query[:done] is in b
	for begin := 0; begin < len(query); {
		end := len(query)
		if n := strings.IndexByte(query[begin:], '&'); n >= 0 {
			end = begin + n
		}
		if name, value, ok := strings.Cut(query[begin:end], "="); ok && value != "" {
			if with := parameter(name, value, depth); with != value {
				b.WriteString(query[done:end-len(value)] + with)
				done = end
			}
		}
		begin = end + 1
	}
	if done == 0 {
		return query
	}
	return b.String() + query[done:]
}

// parameter returns the value of a parameter as it is shown. It may be an address or JSON.
func parameter(name, value string, depth int) string {
	switch {
	case Is(Parameter, name):
		return decode.Masked
	case depth == 0 || len(value) < 8 || !strings.Contains(value, "://") && strings.IndexByte(value, '%') < 0 && strings.IndexByte(value, '{') < 0:
		return value
	}
	plain, err := url.QueryUnescape(value)
	if err != nil || !May(plain) {
		return value
	}
	masked := plain
	if plain[0] == '{' || plain[0] == '[' {
		masked = string(maskJSON([]byte(plain), depth-1))
	} else if strings.Contains(plain, "://") || plain[0] == '/' {
		masked = maskTarget(plain, depth-1)
	}
	switch {
	case masked == plain:
		return value
	case plain == value:
		return masked
	}
	return strings.ReplaceAll(url.QueryEscape(masked), url.QueryEscape(decode.Masked), decode.Masked)
}
