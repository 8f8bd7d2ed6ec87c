package http1

import "bytes"

// A service with an Origin of its own is told that it is asked by Host: its
// pages' Origin and Referer are made to match, since many servers compare them
// with Host, and an address that it gives in Location is made one of the name
// that the client asked for.

// inward rewrites an Origin or Referer of the requested name's own pages. Those
// of other sites, and of the project's other names, stay as they are.
func inward(v []byte, r *Request, origin string) []byte {
	scheme, rest, ok := bytes.Cut(v, []byte("://"))
	if !ok || !EqualFold(scheme, "http") && !EqualFold(scheme, "https") {
		return v
	}
	path, ok := afterHost(rest, r.Host)
	if !ok {
		return v
	}
	return append([]byte(origin), path...)
}

// RewriteLocation makes a Location that leads to the host that the service was
// told lead to the name that the client asked for.
func (r *Response) RewriteLocation(req *Request, to Target) {
	if to.Origin == "" {
		return
	}
	for i := range r.Fields {
		if r.Fields[i].Kind == KindLocation {
			r.Fields[i].Value = outward(r.Fields[i].Value, req, to.Host)
		}
	}
}

func outward(v []byte, r *Request, told string) []byte {
	scheme, rest, ok := bytes.Cut(v, []byte("//"))
	if n := len(scheme) - 1; n >= 0 && scheme[n] == ':' {
		scheme = scheme[:n]
	}
	if !ok || len(scheme) > 0 && !EqualFold(scheme, "http") && !EqualFold(scheme, "https") {
		return v
	}
	path, ok := afterHost(rest, Bytes(told))
	if !ok {
		return v
	}
	to := "http://"
	if r.TLS {
		to = "https://"
	}
	return append(append([]byte(to), r.Host...), path...)
}

// afterHost returns what follows a host in an address without its scheme.
func afterHost(address, host []byte) (rest []byte, ok bool) {
	if len(address) < len(host) || !bytes.EqualFold(address[:len(host)], host) {
		return nil, false
	}
	rest = address[len(host):]
	return rest, len(rest) == 0 || bytes.IndexByte([]byte("/?#"), rest[0]) >= 0
}
