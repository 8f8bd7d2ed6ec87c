package policy

import "lodge/internal/proxy/http1"

// checkHost decides by a request's Host which service it is for. Other names, and
// addresses, are refused: a page of the web can point its own name at this
// machine (DNS rebinding), and its requests have that name as their Host.
//
// The form of a Host is checked before, by [http1.SplitHost]. only is the ID of
// the one service that the listener is for, whatever Host is asked for; "": any.
func (t *Table) checkHost(name []byte, only string) (i int, port uint16, no Refusal) {
	if only != "" {
		if i, ok := t.ids[only]; ok {
			return i, 0, Allowed
		}
		return -1, 0, ForeignHost
	}
	if i, port = t.Find(name); i >= 0 {
		return i, port, Allowed
	}
	if i = t.Raw(name); i >= 0 {
		return i, 0, NotHTTP
	}
	if belowLocalhost(name) {
		return -1, 0, UnknownName
	}
	return -1, 0, ForeignHost
}

// belowLocalhost reports whether a name is one that leads to this machine by its
// very form: localhost, and all below it (RFC 6761, section 6.3).
func belowLocalhost(name []byte) bool {
	const l = "localhost"
	n := len(name) - len(l)
	return n >= 0 && http1.String(name[n:]) == l && (n == 0 || name[n-1] == '.')
}
