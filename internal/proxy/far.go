package proxy

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"
)

// far carries requests to services that speak HTTP/2 or TLS, with net/http's
// Transport. Upgrades go by ReverseProxy, which knows how; nothing else does:
// it sends the head of an answer without a body at a moment of its own, and
// what HTTP/2 then has to say about the answer's end is not what gRPC expects.
type far struct {
	e       *Engine
	plain   *http.Transport // HTTP/1, for upgrades
	clear   *http.Transport // h2c
	secure  *http.Transport // TLS, with either HTTP
	upgrade *httputil.ReverseProxy
}

func newFar(e *Engine) *far {
	s := &far{e: e}
	var h2, both http.Protocols
	h2.SetUnencryptedHTTP2(true)
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	s.plain = &http.Transport{DialContext: s.dial, DisableCompression: true, DisableKeepAlives: true}
	s.clear = &http.Transport{Protocols: &h2, DialContext: s.dial, DisableCompression: true, IdleConnTimeout: e.lim.KeepTime}
	s.secure = &http.Transport{
		Protocols: &both, DialContext: s.dial, DisableCompression: true, IdleConnTimeout: e.lim.KeepTime,
		MaxIdleConnsPerHost: e.lim.Idle, TLSHandshakeTimeout: e.lim.DialTime,
		// The service is on this machine, and its certificate is its own.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	s.upgrade = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			c := farOf(p.In)
			u, h := c.x.request(p.In, c.route)
			p.Out.URL, p.Out.Host = u, hostFor(c.x, c.route)
			h["Connection"], h["Upgrade"] = p.Out.Header["Connection"], p.Out.Header["Upgrade"]
			p.Out.Header = h
		},
		Transport:    s,
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { farOf(r).failed = err },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	return s
}

func (s *far) close() {
	for _, t := range []*http.Transport{s.plain, s.clear, s.secure} {
		t.CloseIdleConnections()
	}
}

// farKey is where a request's context has its farRequest.
type farKey struct{}

type farRequest struct {
	x      *exchange
	route  *route
	failed error
}

func farOf(r *http.Request) *farRequest { return r.Context().Value(farKey{}).(*farRequest) }

// carry is exchange's for services on this road.
func (s *far) carry(w http.ResponseWriter, r *http.Request, x *exchange, rt *route) error {
	c := &farRequest{x: x, route: rt}
	ctx := context.WithValue(r.Context(), farKey{}, c)
	if x.upgrade != nil {
		s.upgrade.ServeHTTP(w, r.WithContext(ctx))
		return s.moved(ctx, rt, c.failed, x)
	}
	h := w.Header()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, fields textproto.MIMEHeader) error {
		if code == http.StatusContinue {
			return nil // net/http has sent that
		}
		copyFar(h, http.Header(fields))
		w.WriteHeader(code)
		clear(h)
		return nil
	}})
	out := &http.Request{Method: r.Method, Host: hostFor(x, rt), ContentLength: r.ContentLength, Trailer: r.Trailer}
	out.URL, out.Header = x.request(r, rt)
	if x.hasBody {
		out.Body = r.Body
	}
	res, err := s.RoundTrip(out.WithContext(ctx))
	if err != nil {
		return s.moved(ctx, rt, err, x)
	}
	defer res.Body.Close()
	if to := res.Header.Get("Location"); to != "" && rt.Origin != "" {
		res.Header.Set("Location", string(rt.outward([]byte(to), &x.facts)))
	}
	if !relayFar(s.e, w, res) {
		panic(http.ErrAbortHandler) // nothing else tells the client that this is not all
	}
	return nil
}

// moved returns a service that refuses a little time to be known to have moved.
func (s *far) moved(ctx context.Context, rt *route, err error, p party) error {
	var up *upError
	if errors.As(err, &up) && up.refused() {
		u, err := s.e.await(ctx, rt, up, p)
		if err != nil {
			return err
		}
		u.close() // it listens again: the transport makes a connection of its own
		return errMoved
	}
	return err
}

// hostFor is the Host that the service is told.
func hostFor(x *exchange, rt *route) string {
	if rt.Host != "" {
		return rt.Host
	}
	return string(x.host)
}

// request makes address and header of the request to the service. Scheme and
// host of the address are for RoundTrip to say.
func (x *exchange) request(r *http.Request, rt *route) (*url.URL, http.Header) {
	head := startHead(nil, &x.facts, rt.Host)
	for _, h := range x.fields {
		head = addField(head, &x.facts, h, rt.Origin)
	}
	f := x.facts
	f.lengths, f.length, f.hasBody, f.upgrade = 0, 0, false, nil // Transport says how the body is framed
	head = endHead(head, &f, &x.low.client)
	h := http.Header{}
	for i, line := range strings.Split(string(head), "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok && i > 1 { // the request's line and Host come first
			k = textproto.CanonicalMIMEHeaderKey(k)
			h[k] = append(h[k], v)
		}
	}
	delete(h, "Connection")
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // none of Transport's
	}
	u := *r.URL
	u.User, u.Fragment = nil, ""
	return &u, h
}

// RoundTrip sends a request to the first endpoint of its service that takes a
// connection.
func (s *far) RoundTrip(r *http.Request) (*http.Response, error) {
	c := farOf(r)
	if r.Body != nil && r.Body != http.NoBody && len(c.route.Endpoints) > 1 {
		r.Body = io.NopCloser(r.Body) // a Transport closes it also where it could not connect
	}
	var first error
	for _, p := range c.route.Endpoints {
		r.URL.Scheme, r.URL.Host = "http", p.urlHost()
		t := s.plain
		switch {
		case p.Protocol == HTTPS:
			t, r.URL.Scheme = s.secure, "https"
		case p.Protocol == H2C, p.Protocol == Auto && c.x.grpc():
			t = s.clear
		}
		res, err := t.RoundTrip(r)
		if err == nil {
			return res, nil
		}
		if first == nil {
			first = &upError{p, "ask", err}
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			break
		}
	}
	return nil, first
}

// relayFar writes an answer as it comes, and reports whether all of it was read
// and written.
func relayFar(e *Engine, w http.ResponseWriter, res *http.Response) bool {
	h := w.Header()
	copyFar(h, res.Header)
	if res.ContentLength >= 0 && res.StatusCode != http.StatusNoContent {
		h.Set("Content-Length", itoa(int(res.ContentLength)))
	}
	for k := range res.Trailer {
		h.Add("Trailer", k)
	}
	if _, ok := h["Date"]; !ok {
		h["Date"] = nil // none of lodge's making
	}
	w.WriteHeader(res.StatusCode)
	if res.Body == http.NoBody {
		return true // the head is also the end
	}
	flush := http.NewResponseController(w).Flush
	if res.ContentLength != 0 && flush() != nil {
		return false
	}
	block := e.buffers.block()
	defer e.buffers.putBlock(block)
	for {
		n, err := res.Body.Read(block[:])
		if n > 0 {
			if _, werr := w.Write(block[:n]); werr != nil {
				return false
			}
			if err == nil && flush() != nil {
				return false
			}
		}
		if err == io.EOF {
			for k, vv := range res.Trailer {
				if trailerField(k) {
					h[http.TrailerPrefix+k] = vv
				}
			}
			return true
		}
		if err != nil {
			return false
		}
	}
}

// copyFar takes over those fields of an answer that are for the client.
func copyFar(h, from http.Header) {
	var connection [][]byte
	for _, v := range from["Connection"] {
		connection = append(connection, []byte(v))
	}
	for k, vv := range from {
		if !endsHere(headField{k: []byte(k), is: fieldOf([]byte(k))}, connection) {
			h[k] = append(h[k], vv...)
		}
	}
}

// unixHost ends the host of a URL that stands for a Unix socket.
const unixHost = ".unix:80"

// urlHost makes an endpoint a host of a URL, which is what a Transport keeps
// connections by.
func (p Endpoint) urlHost() string {
	if p.Path == "" {
		return p.Addr.String()
	}
	return hex.EncodeToString([]byte(p.Path)) + unixHost
}

// dial is urlHost read backwards.
func (s *far) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	if path, ok := strings.CutSuffix(addr, unixHost); ok {
		b, err := hex.DecodeString(path)
		if err != nil {
			return nil, err
		}
		return Endpoint{Path: string(b)}.dial(ctx, s.e.lim.DialTime)
	}
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	return s.e.dial(ctx, Endpoint{Addr: a})
}
