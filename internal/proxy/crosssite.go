package proxy

import (
	"bytes"
	"slices"
)

// crossSite reports whether a request was made by a page of another site and is
// refused for it. What a browser says of a request cannot be changed by the
// page that makes it (Sec-Fetch-Site: W3C Fetch Metadata; Origin: RFC 6454;
// Referer can be left out, but not forged), and what is no browser says
// nothing.
//
// Following a link is allowed, as everywhere on the web, and as signing in
// with another site needs: a GET for a whole page, not for a frame in one.
func (s *snapshot) crossSite(r *route, f *facts, in entry) bool {
	if r.AllowCrossSite {
		return false
	}
	cross := false
	switch stringOf(f.site) {
	case "":
		// An old browser, or none. Origin alone then says where a request
		// comes from; it is sent with all but plain GET and HEAD, and always
		// with WebSocket's.
		cross = f.origin != nil
	case "same-origin", "same-site", "none":
		return false
	default:
		cross = true
	}
	if !cross {
		return false
	}
	if f.origin != nil && slices.Contains(r.AllowOrigins, stringOf(f.origin)) {
		return false
	}
	// To a browser http: and https: of one name are two sites. Here they are
	// one: a project's names lead to that project and to nothing else.
	from := f.origin
	if from == nil {
		from = f.referer
	}
	if s.sameProject(r, f, from, in) {
		return false
	}
	navigation := stringOf(f.mode) == "navigate" && stringOf(f.dest) == "document" && (stringOf(f.method) == "GET" || stringOf(f.method) == "HEAD")
	return !navigation
}

// sameProject reports whether an origin, or an address, is of the route's project.
func (s *snapshot) sameProject(r *route, f *facts, from []byte, in entry) bool {
	scheme, rest, ok := bytes.Cut(from, []byte("://"))
	if !ok || !foldEqual(scheme, "http") && !foldEqual(scheme, "https") {
		return false
	}
	if end := bytes.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	var buf [maxHost]byte
	name, _, ok := splitHost(&buf, rest)
	if !ok {
		return false
	}
	if in.only != "" { // a name of the network, of which the table knows nothing
		return bytes.EqualFold(rest, f.host)
	}
	other, _ := s.find(name)
	return other != nil && other.Project == r.Project
}
