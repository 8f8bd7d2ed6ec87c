package http1

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
)

// loopID is lodge's name in CDN-Loop (RFC 8586), the field that is made for
// finding loops. Via is not: servers answer otherwise because of it (nginx
// stops compressing).
const loopID = "lodge"

// Client is the client of a connection, in the forms in which services are told.
type Client struct {
	TLS     bool
	xff     []byte // "X-Forwarded-For: …\r\nX-Forwarded-Proto: …\r\n"
	forhost []byte // "Forwarded: for=…;proto=…;host=\""
}

// NewClient returns the client at an address, which is not valid on a Unix socket.
func NewClient(ip netip.Addr, tls bool) Client {
	c := Client{TLS: tls}
	proto := "http"
	if tls {
		proto = "https"
	}
	address, node := "unknown", "unknown"
	if ip = ip.Unmap(); ip.IsValid() {
		address = ip.WithZone("").String()
		node = address
		if ip.Is6() {
			node = `"[` + address + `]"` // RFC 7239, section 6
		}
	}
	c.xff = append(c.xff, "X-Forwarded-For: "+address+"\r\nX-Forwarded-Proto: "+proto+"\r\n"...)
	c.forhost = append(c.forhost, "Forwarded: for="+node+";proto="+proto+";host=\""...)
	return c
}

// Target is what a service is told about the name by which it is asked.
type Target struct {
	Host   string // sent as Host; "": as the client wrote it
	Origin string // what Host is to the service's own pages; "": Origin, Referer and Location stay
}

// AppendRequest writes the head for a service that speaks HTTP/1: the client's
// fields in their order and spelling, without those that end here, and what
// lodge says itself.
func AppendRequest(out []byte, r *Request, c *Client, to Target) []byte {
	out = append(out, r.Method...)
	out = append(out, ' ')
	out = append(out, r.Target...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	if to.Host != "" {
		out = append(out, to.Host...)
	} else {
		out = append(out, r.Host...)
	}
	out = append(out, "\r\n"...)
	for _, f := range r.Fields {
		out = r.appendField(out, f, to.Origin)
	}
	out = r.appendFraming(out)
	out = r.appendForwarded(out, c)
	return append(out, "\r\n"...)
}

// appendField hands a field of the client's on, unless it ends here.
func (r *Request) appendField(out []byte, f Field, origin string) []byte {
	switch f.Kind {
	case KindOrigin, KindReferer:
		if origin != "" {
			f.Value = inward(f.Value, r, origin)
		}
	case KindAlias, KindConnection, KindContentLength, KindExpect, KindForwarded, KindHost, KindHTTP2Settings,
		KindKeepAlive, KindProxy, KindTE, KindTrailer, KindTransferEncoding, KindUpgrade, KindXForwarded:
		return out
	}
	if r.connections > 0 && nominates(r.connection[:r.connections], f.Name) {
		return out
	}
	return AppendField(out, f.Name, f.Value)
}

// AppendField writes a field.
func AppendField(out, k, v []byte) []byte {
	out = append(out, k...)
	out = append(out, ": "...)
	out = append(out, v...)
	return append(out, "\r\n"...)
}

// appendFraming writes how the body is framed, and what is said of the connection.
func (r *Request) appendFraming(out []byte) []byte {
	switch {
	case r.Length > 0 || r.lengths > 0 && r.Length == 0:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, r.Length, 10)
		out = append(out, "\r\n"...)
	case r.HasBody:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if len(r.Trailer) > 0 {
			out = AppendField(out, []byte("Trailer"), r.Trailer)
		}
	}
	if r.Expect {
		out = append(out, "Expect: 100-continue\r\n"...)
	}
	switch {
	case r.Upgrade != nil:
		out = append(out, "Connection: Upgrade\r\n"...)
		out = AppendField(out, []byte("Upgrade"), r.Upgrade)
	case r.teTrailers:
		out = append(out, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	return out
}

// appendForwarded writes which client asks, and by which name.
func (r *Request) appendForwarded(out []byte, c *Client) []byte {
	out = append(out, c.xff...)
	out = append(out, "X-Forwarded-Host: "...)
	out = append(out, r.Host...)
	out = append(out, "\r\nX-Forwarded-Port: "...)
	switch { // that of its Host, else the one that its scheme has
	case len(r.Port) > 0:
		out = append(out, r.Port...)
	case c.TLS:
		out = append(out, "443"...)
	default:
		out = append(out, "80"...)
	}
	out = append(out, "\r\n"...)
	out = append(out, c.forhost...)
	out = append(out, r.Host...)
	return append(out, "\"\r\nCDN-Loop: "+loopID+"\r\n"...)
}

// Header returns the fields of [AppendRequest] for net/http's Transport, which
// frames the body and says what is to be said of the connection by itself.
func (r *Request) Header(c *Client, to Target) http.Header {
	var out []byte
	for _, f := range r.Fields {
		out = r.appendField(out, f, to.Origin)
	}
	if r.teTrailers {
		out = append(out, "Te: trailers\r\n"...)
	}
	out = r.appendForwarded(out, c)
	h := http.Header{}
	for line := range strings.SplitSeq(string(out), "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok {
			k = textproto.CanonicalMIMEHeaderKey(k)
			h[k] = append(h[k], v)
		}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // none of Transport's
	}
	return h
}
