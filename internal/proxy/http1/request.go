package http1

import (
	"bytes"
	"errors"
	"strconv"
)

// Request is the head of a request: what policy, framing and the head for the
// service need of it. Its bytes belong to it, and are valid until the next head
// is read into it. A request over HTTP/2 is one too, see [Request.Adopt].
type Request struct {
	Method, Target []byte
	Fields         []Field // in the client's order and spelling
	Host           []byte  // the Host field as it came
	Name           []byte  // the name in it, in lower case
	Port           []byte  // the port in it; may be empty

	TLS   bool // the client came over TLS
	Minor int  // of HTTP/1: 0 or 1; 2 for HTTP/2

	Upgrade     []byte // the Upgrade field, where Connection has upgrade
	ContentType []byte
	Accept      []byte
	Origin      []byte
	Referer     []byte
	Site, Mode  []byte // Sec-Fetch-Site, Sec-Fetch-Mode
	Dest        []byte // Sec-Fetch-Dest
	Trailer     []byte // the names of trailer fields that are announced
	Loops       int    // how often the request has come through lodge, by CDN-Loop

	Close     bool // Connection: close
	KeepAlive bool // Connection: keep-alive
	Expect    bool // Expect: 100-continue
	BadExpect bool // Expect with another value
	Chunked   bool
	HasBody   bool
	Length    int64 // of the body, in bytes; -1: not known (chunked, or HTTP/2 without a length)

	connection  [8][]byte // Connection fields
	connections int
	hosts       int
	lengths     int
	codings     int
	teTrailers  bool // TE: trailers

	buf  []byte        // the head, as it came
	name [MaxHost]byte // where Name is
}

// reset forgets the request before.
func (r *Request) reset() {
	buf := r.buf[:0]
	if cap(buf) > maxKept {
		buf = nil
	}
	*r = Request{Fields: r.Fields[:0], buf: buf}
}

// Raw returns the head as it came; nil if it came over HTTP/2.
func (r *Request) Raw() []byte { return r.buf }

// add looks at one field.
func (r *Request) add(f Field) {
	v := f.Value
	switch f.Kind {
	case KindAccept:
		r.Accept = v
	case KindCDNLoop:
		tokens(v, func(t []byte) bool {
			if id, _, _ := bytes.Cut(t, []byte(";")); EqualFold(trim(id), loopID) {
				r.Loops++
			}
			return true
		})
	case KindConnection:
		if r.connections < len(r.connection) {
			r.connection[r.connections] = v
		}
		r.connections++
		r.Close = r.Close || hasToken(v, "close")
		r.KeepAlive = r.KeepAlive || hasToken(v, "keep-alive")
	case KindContentLength:
		r.lengths++
		n, err := strconv.ParseUint(String(v), 10, 63)
		if err != nil {
			r.lengths = 2 // refused like two of them
		}
		r.Length = int64(n)
	case KindContentType:
		r.ContentType = v
	case KindExpect:
		if EqualFold(v, "100-continue") {
			r.Expect = true
		} else {
			r.BadExpect = true
		}
	case KindHost:
		r.hosts++
		r.Host = v
	case KindOrigin:
		r.Origin = v
	case KindReferer:
		r.Referer = v
	case KindSecFetchDest:
		r.Dest = v
	case KindSecFetchMode:
		r.Mode = v
	case KindSecFetchSite:
		r.Site = v
	case KindTE:
		r.teTrailers = r.teTrailers || hasToken(v, "trailers")
	case KindTrailer:
		r.Trailer = trailerNames(r.Trailer, v)
	case KindTransferEncoding:
		r.codings++
		r.Chunked = EqualFold(v, "chunked")
	case KindUpgrade:
		r.Upgrade = v
	}
}

// The errors of finish: each is a request that two parsers could read in two
// ways (RFC 9112, section 11.2), or that cannot be answered.
var (
	errHost    = errors.New("a request has one Host field with a host name")
	errLength  = errors.New("more than one Content-Length, or one that is no number")
	errCoding  = errors.New("the only Transfer-Encoding is chunked, in HTTP/1.1")
	errFraming = errors.New("both Content-Length and Transfer-Encoding")
	errOptions = errors.New("too many Connection fields")
	errTarget  = errors.New("its target is no path")
)

// finish checks framing, Host and target when all fields of a head were added
// (RFC 9112, sections 3.2 and 6.3).
func (r *Request) finish() error {
	switch {
	case r.hosts != 1:
		return errHost
	case r.lengths > 1:
		return errLength
	case r.codings > 1 || r.codings == 1 && (!r.Chunked || r.Minor == 0):
		return errCoding
	case r.codings > 0 && r.lengths > 0:
		return errFraming
	case r.connections > len(r.connection):
		return errOptions
	}
	if r.Chunked {
		r.Length = -1
	}
	r.HasBody = r.Chunked || r.Length > 0
	if r.Minor == 0 {
		r.Expect = false // RFC 9110, section 10.1.1
	}
	// Upgrade works for a connection only where Connection has it. One to h2c
	// would carry requests past every check made here. HTTP/2 has none.
	if r.Upgrade != nil && (r.Minor != 1 || !r.option("upgrade") || hasToken(r.Upgrade, "h2c")) {
		r.Upgrade = nil
	}
	var ok bool
	if r.Name, r.Port, ok = SplitHost(&r.name, r.Host); !ok {
		return errHost
	}
	if !r.originForm() {
		return errTarget
	}
	return nil
}

// originForm makes an absolute target (RFC 9112, section 3.2.2) a path, and
// reports whether the target is one that can be sent on.
func (r *Request) originForm() bool {
	if String(r.Method) == "CONNECT" {
		return true // refused later
	}
	for _, b := range r.Target {
		if b <= ' ' || b == 0x7f {
			return false
		}
	}
	if len(r.Target) > 0 && r.Target[0] == '/' {
		return true
	}
	if String(r.Target) == "*" {
		return String(r.Method) == "OPTIONS"
	}
	scheme, rest, ok := bytes.Cut(r.Target, []byte("://"))
	if !ok || !EqualFold(scheme, "http") && !EqualFold(scheme, "https") {
		return false
	}
	host, path := rest, []byte("/")
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		if host, path = rest[:i], rest[i:]; path[0] != '/' {
			return false
		}
	}
	r.Target = path
	return bytes.EqualFold(host, r.Host) // the two must not lead to two places
}

// option reports whether Connection has a token.
func (r *Request) option(name string) bool {
	for _, v := range r.connection[:min(r.connections, len(r.connection))] {
		if hasToken(v, name) {
			return true
		}
	}
	return false
}

// nominates reports whether Connection fields name the field k, which ends here
// then (RFC 9110, section 7.6.1).
func nominates(connection [][]byte, k []byte) bool {
	for _, v := range connection {
		found := false
		tokens(v, func(t []byte) bool {
			found = bytes.EqualFold(t, k)
			return !found
		})
		if found {
			return true
		}
	}
	return false
}

// Replayable reports whether the request may be sent twice: for what was asked,
// once and twice come to the same (RFC 9110, section 9.2.2).
func (r *Request) Replayable() bool {
	switch String(r.Method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// GRPC reports whether the request is one of gRPC, which needs HTTP/2. Its method
// is always POST (gRPC over HTTP2, "Requests").
func (r *Request) GRPC() bool {
	const t = "application/grpc"
	return String(r.Method) == "POST" && len(r.ContentType) >= len(t) && EqualFold(r.ContentType[:len(t)], t)
}
