package policy

import (
	"bytes"
	"slices"

	"lodge/internal/proxy/http1"
)

// crossSite reports whether a request was made by a page of another site and is
// refused for it. What a browser says of a request cannot be changed by the
// page that makes it (Sec-Fetch-Site: W3C Fetch Metadata; Origin: RFC 6454;
// Referer can be left out, but not forged), and other programs say
// nothing.
//
// Following a link is allowed, as everywhere on the web, and as signing in
// with another site needs: a GET for a whole page, not for a frame in one.
func (t *Table) crossSite(s *Service, r *http1.Request, only bool) bool {
	if s.AllowCrossSite {
		return false
	}
	cross := false
	switch http1.String(r.Site) {
	case "":
		// An old browser, or none. Origin alone then says where a request
		// comes from; it is sent with all but plain GET and HEAD, and always
		// with WebSocket's.
		cross = r.Origin != nil
	case "same-origin", "same-site", "none":
		return false
	default:
		cross = true
	}
	if !cross {
		return false
	}
	if r.Origin != nil && slices.Contains(s.AllowOrigins, http1.String(r.Origin)) {
		return false
	}
	// To a browser http: and https: of one name are two sites. Here they are
	// one: a project's names lead to that project and to nothing else.
	from := r.Origin
	if from == nil {
		from = r.Referer
	}
	if t.sameProject(s, r, from, only) {
		return false
	}
	navigation := http1.String(r.Mode) == "navigate" && http1.String(r.Dest) == "document" && (http1.String(r.Method) == "GET" || http1.String(r.Method) == "HEAD")
	return !navigation
}

// sameProject reports whether an origin, or an address, is of the service's project.
func (t *Table) sameProject(s *Service, r *http1.Request, from []byte, only bool) bool {
	scheme, rest, ok := bytes.Cut(from, []byte("://"))
	if !ok || !http1.EqualFold(scheme, "http") && !http1.EqualFold(scheme, "https") {
		return false
	}
	if end := bytes.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	var buf [http1.MaxHost]byte
	name, _, ok := http1.SplitHost(&buf, rest)
	if !ok {
		return false
	}
	if only { // a name of the network, of which the table knows nothing
		return bytes.EqualFold(rest, r.Host)
	}
	i, _ := t.Find(name)
	return i >= 0 && t.services[i].Project == s.Project
}
