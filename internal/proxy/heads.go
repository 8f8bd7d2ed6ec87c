package proxy

import (
	"net/netip"
	"strconv"
)

// loopID is lodge's name in CDN-Loop (RFC 8586), the field that is made for
// finding loops. Via is not: servers answer otherwise because of it (nginx
// stops compressing).
const loopID = "lodge"

// maxLoops is how often a request may come through lodge: a service that calls
// another by its name and hands all fields on is no loop yet.
const maxLoops = 10

// client is who asks, in the forms in which services are told.
type client struct {
	ip      netip.Addr // not valid for a client on a Unix socket
	tls     bool
	xff     []byte // "X-Forwarded-For: …\r\nX-Forwarded-Proto: …\r\n"
	forhost []byte // "Forwarded: for=…;proto=…;host=\""
	port    uint16 // of the listener, for requests whose Host has none
}

func newClient(ip netip.Addr, port uint16, tls bool) client {
	c := client{ip: ip.Unmap(), tls: tls, port: port}
	proto := "http"
	if tls {
		proto = "https"
	}
	who, node := "unknown", "unknown"
	if ip.IsValid() {
		who = c.ip.WithZone("").String()
		node = who
		if c.ip.Is6() {
			node = `"[` + who + `]"` // RFC 7239, section 6
		}
	}
	c.xff = append(c.xff, "X-Forwarded-For: "+who+"\r\nX-Forwarded-Proto: "+proto+"\r\n"...)
	c.forhost = append(c.forhost, "Forwarded: for="+node+";proto="+proto+";host=\""...)
	return c
}

// startHead begins the head of a request to a service. host is sent as Host.
func startHead(out []byte, f *facts, host string) []byte {
	out = append(out, f.method...)
	out = append(out, ' ')
	out = append(out, f.target...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	if host != "" {
		out = append(out, host...)
	} else {
		out = append(out, f.host...)
	}
	return append(out, "\r\n"...)
}

// addField hands a field of the client's head on, unless it ends here. origin is
// that of the service, see [Service.Origin].
func addField(out []byte, f *facts, h headField, origin string) []byte {
	switch h.is {
	case fieldOrigin, fieldReferer:
		if origin != "" {
			h.v = inward(h.v, f, origin)
		}
	case fieldAlias, fieldConnection, fieldContentLength, fieldExpect, fieldForwarded, fieldHost, fieldHTTP2Settings,
		fieldKeepAlive, fieldProxy, fieldTE, fieldTrailer, fieldTransferEncoding, fieldUpgrade, fieldXForwarded:
		return out
	}
	if f.nconn > 0 && nominates(f.connection[:f.nconn], h.k) {
		return out
	}
	return appendField(out, h.k, h.v)
}

func appendField(out, k, v []byte) []byte {
	out = append(out, k...)
	out = append(out, ": "...)
	out = append(out, v...)
	return append(out, "\r\n"...)
}

// endHead adds what lodge says itself: framing, who asks, and by which name.
func endHead(out []byte, f *facts, c *client) []byte {
	switch {
	case f.length > 0 || f.lengths > 0 && f.length == 0:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, f.length, 10)
		out = append(out, "\r\n"...)
	case f.hasBody:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if f.trailer != nil {
			out = appendField(out, []byte("Trailer"), f.trailer)
		}
	}
	if f.expect {
		out = append(out, "Expect: 100-continue\r\n"...)
	}
	switch {
	case f.upgrade != nil:
		out = append(out, "Connection: Upgrade\r\n"...)
		out = appendField(out, []byte("Upgrade"), f.upgrade)
	case f.teTrailer:
		out = append(out, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	out = append(out, c.xff...)
	out = append(out, "X-Forwarded-Host: "...)
	out = append(out, f.host...)
	out = append(out, "\r\nX-Forwarded-Port: "...)
	out = f.appendPort(out, c)
	out = append(out, "\r\n"...)
	out = append(out, c.forhost...)
	out = append(out, f.host...)
	return append(out, "\"\r\nCDN-Loop: "+loopID+"\r\n\r\n"...)
}

// appendPort writes the port by which the client came: that of its Host, else
// the one that its scheme has.
func (f *facts) appendPort(out []byte, c *client) []byte {
	switch {
	case len(f.port) > 0:
		return append(out, f.port...)
	case c.tls:
		return append(out, "443"...)
	}
	return append(out, "80"...)
}

// endsHere reports whether a field of a service's head is not for the client: it
// speaks of the connection to the service (RFC 9110, section 7.6.1), or is
// written anew. connection has the Connection fields of that head.
func endsHere(h headField, connection [][]byte) bool {
	switch h.is {
	case fieldConnection, fieldContentLength, fieldKeepAlive, fieldTE, fieldTrailer, fieldTransferEncoding, fieldUpgrade:
		return true
	case fieldProxy:
		return foldEqual(h.k, "proxy-connection")
	}
	return len(connection) > 0 && nominates(connection, h.k)
}

// addFields hands those fields on that are for the client.
func (u *upConn) addFields(out []byte, connection [][]byte) []byte {
	for _, h := range u.fields {
		if !endsHere(h, connection) {
			out = appendField(out, h.k, h.v)
		}
	}
	return out
}
