package proxy

import (
	"bytes"
	"errors"
	"strconv"
)

// facts are what policy and framing need of a request's head. The bytes belong
// to the request.
type facts struct {
	method, target []byte
	host           []byte // the Host field as it came
	name           []byte // the name in it, lower case
	port           []byte
	nameBuf        *[maxHost]byte

	tls   bool // the client came over TLS
	minor int  // of HTTP/1: 0 or 1; 2 for HTTP/2

	connection [8][]byte // Connection fields
	nconn      int
	upgrade    []byte // the Upgrade field, where Connection has upgrade
	contType   []byte
	accept     []byte
	origin     []byte
	referer    []byte
	site, mode []byte // Sec-Fetch-Site, -Mode, -Dest
	dest       []byte
	trailer    []byte
	lost       int // new connections to the service that were closed without an answer
	loops      int // how often the request has come through lodge

	close     bool // Connection: close
	keepAlive bool // Connection: keep-alive
	teTrailer bool // TE: trailers
	expect    bool // Expect: 100-continue
	badExpect bool
	hosts     int
	lengths   int
	codings   int
	chunked   bool
	length    int64 // of the body; -1: not known (chunked, or HTTP/2 without a length)
	hasBody   bool
}

// reset forgets the request before.
func (f *facts) reset(nameBuf *[maxHost]byte) { *f = facts{nameBuf: nameBuf} }

// add looks at one field.
func (f *facts) add(h headField) {
	v := h.v
	switch h.is {
	case fieldAccept:
		f.accept = v
	case fieldCDNLoop:
		tokens(v, func(t []byte) bool {
			if id, _, _ := bytes.Cut(t, []byte(";")); foldEqual(trim(id), loopID) {
				f.loops++
			}
			return true
		})
	case fieldConnection:
		if f.nconn < len(f.connection) {
			f.connection[f.nconn] = v
		}
		f.nconn++
		f.close = f.close || hasToken(v, "close")
		f.keepAlive = f.keepAlive || hasToken(v, "keep-alive")
	case fieldContentLength:
		f.lengths++
		n, err := strconv.ParseUint(stringOf(v), 10, 63)
		if err != nil {
			f.lengths = 2 // refused like two of them
		}
		f.length = int64(n)
	case fieldContentType:
		f.contType = v
	case fieldExpect:
		if foldEqual(v, "100-continue") {
			f.expect = true
		} else {
			f.badExpect = true
		}
	case fieldHost:
		f.hosts++
		f.host = v
	case fieldOrigin:
		f.origin = v
	case fieldReferer:
		f.referer = v
	case fieldSecFetchDest:
		f.dest = v
	case fieldSecFetchMode:
		f.mode = v
	case fieldSecFetchSite:
		f.site = v
	case fieldTE:
		f.teTrailer = f.teTrailer || hasToken(v, "trailers")
	case fieldTrailer:
		f.trailer = v
	case fieldTransferEncoding:
		f.codings++
		f.chunked = foldEqual(v, "chunked")
	case fieldUpgrade:
		f.upgrade = v
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
)

// finish checks framing and Host when all fields of a head of HTTP/1 were
// added (RFC 9112, sections 3.2 and 6.3).
func (f *facts) finish() error {
	switch {
	case f.hosts != 1:
		return errHost
	case f.lengths > 1:
		return errLength
	case f.codings > 1 || f.codings == 1 && (!f.chunked || f.minor == 0):
		return errCoding
	case f.codings > 0 && f.lengths > 0:
		return errFraming
	case f.nconn > len(f.connection):
		return errOptions
	}
	if f.chunked {
		f.length = -1
	}
	f.hasBody = f.chunked || f.length > 0
	if f.minor == 0 {
		f.expect = false // RFC 9110, section 10.1.1
	}
	// Upgrade works for a connection only where Connection says so. One to h2c
	// would carry requests past every check made here.
	if f.upgrade != nil && (f.minor == 0 || !f.option("upgrade") || hasToken(f.upgrade, "h2c")) {
		f.upgrade = nil
	}
	return f.setHost(f.host)
}

func (f *facts) setHost(host []byte) error {
	var ok bool
	f.host = host
	if f.name, f.port, ok = splitHost(f.nameBuf, host); !ok {
		return errHost
	}
	return nil
}

// option reports whether Connection has a token.
func (f *facts) option(name string) bool {
	for _, v := range f.connection[:min(f.nconn, len(f.connection))] {
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

// replayable reports whether the request may be sent twice: for what was asked,
// once and twice come to the same (RFC 9110, section 9.2.2).
func (f *facts) replayable() bool {
	switch stringOf(f.method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// grpc reports whether the request is one of gRPC, which needs HTTP/2. Its method
// is always POST (gRPC over HTTP2, "Requests").
func (f *facts) grpc() bool {
	const t = "application/grpc"
	return stringOf(f.method) == "POST" && len(f.contType) >= len(t) && foldEqual(f.contType[:len(t)], t)
}
