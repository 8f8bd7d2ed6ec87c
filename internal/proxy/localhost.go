package proxy

import "bytes"

// A service with an Origin of its own is told that it is asked by Host: its
// pages' Origin and Referer are made to match, since many servers compare them
// with Host, and an address that it gives in Location is made one of the name
// that the client asked for.

// inward rewrites an Origin or Referer of the requested name's own pages. Those
// of other sites, and of the project's other names, stay as they are.
func inward(v []byte, f *facts, origin string) []byte {
	scheme, rest, ok := bytes.Cut(v, []byte("://"))
	if !ok || !foldEqual(scheme, "http") && !foldEqual(scheme, "https") {
		return v
	}
	path, ok := afterHost(rest, f.host)
	if !ok {
		return v
	}
	return append([]byte(origin), path...)
}

// outward rewrites a Location that leads to the host that the service was told.
func (s *Service) outward(v []byte, f *facts) []byte {
	scheme, rest, ok := bytes.Cut(v, []byte("//"))
	if n := len(scheme) - 1; n >= 0 && scheme[n] == ':' {
		scheme = scheme[:n]
	}
	if !ok || len(scheme) > 0 && !foldEqual(scheme, "http") && !foldEqual(scheme, "https") {
		return v
	}
	path, ok := afterHost(rest, bytesOf(s.Host))
	if !ok {
		return v
	}
	to := "http://"
	if f.tls {
		to = "https://"
	}
	return append(append([]byte(to), f.host...), path...)
}

// afterHost returns what follows a host in an address without its scheme.
func afterHost(address, host []byte) (rest []byte, ok bool) {
	if len(address) < len(host) || !bytes.EqualFold(address[:len(host)], host) {
		return nil, false
	}
	rest = address[len(host):]
	return rest, len(rest) == 0 || bytes.IndexByte([]byte("/?#"), rest[0]) >= 0
}

// outward rewrites the Location of an answer.
func (u *upConn) outward(s *Service, f *facts) {
	if s.Origin == "" {
		return
	}
	for i := range u.fields {
		if foldEqual(u.fields[i].k, "location") {
			u.fields[i].v = s.outward(u.fields[i].v, f)
		}
	}
}
