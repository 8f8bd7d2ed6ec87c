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
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
)

// slowRoad is net/http's server and client, for what the hot road does not
// speak: HTTP/2 on either side, and TLS to services.
type slowRoad struct {
	e      *Engine
	conns  chan net.Conn
	server *http.Server
	done   chan struct{}
	once   sync.Once
	served sync.WaitGroup

	plain   *http.Transport // HTTP/1, for upgrades
	clear   *http.Transport // h2c
	secure  *http.Transport // TLS, with either HTTP
	forward *httputil.ReverseProxy
}

func newSlowRoad(e *Engine) *slowRoad {
	s := &slowRoad{e: e, conns: make(chan net.Conn), done: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Handler: http.HandlerFunc(s.serve), Protocols: &protocols,
		ReadHeaderTimeout: e.lim.HeadTime, IdleTimeout: e.lim.IdleTime, MaxHeaderBytes: e.lim.Head,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			// A stalled client is found out by a ping that it does not answer, and
			// by bytes that it does not take.
			SendPingTimeout: e.lim.IdleTime, WriteByteTimeout: e.lim.StallTime,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, lowKey{}, lowOf(c))
		},
		ErrorLog: log.New(discard{}, "", 0), // one line for each client that misbehaves is of no use
	}
	var h2 http.Protocols
	h2.SetUnencryptedHTTP2(true)
	s.clear = &http.Transport{Protocols: &h2, DialContext: s.dial, DisableCompression: true, IdleConnTimeout: e.lim.KeepTime}
	s.plain = &http.Transport{DialContext: s.dial, DisableCompression: true, DisableKeepAlives: true}
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	s.secure = &http.Transport{Protocols: &both, DialContext: s.dial, DisableCompression: true, IdleConnTimeout: e.lim.KeepTime,
		MaxIdleConnsPerHost: e.lim.Idle, TLSHandshakeTimeout: e.lim.DialTime,
		// The service is on this machine, and its certificate is its own.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	s.forward = &httputil.ReverseProxy{
		Rewrite: s.rewrite, Transport: s, FlushInterval: -1, BufferPool: blockPool{&e.buffers}, ErrorHandler: s.failed,
		ModifyResponse: func(res *http.Response) error { res.Header.Del("Keep-Alive"); return nil },
		ErrorLog:       log.New(discard{}, "", 0),
	}
	s.served.Go(func() { s.server.Serve(s) }) // always ErrServerClosed: Accept fails only after Close
	return s
}

// discard takes what is written and drops it.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// blockPool lends ReverseProxy the engine's blocks.
type blockPool struct{ b *buffers }

func (p blockPool) Get() []byte  { return p.b.block()[:] }
func (p blockPool) Put(b []byte) { p.b.putBlock((*[copySize]byte)(b)) }

// readConn is a connection of which some bytes were read already.
type readConn struct {
	net.Conn
	low   *lowConn
	first []byte
}

func (c *readConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

type lowKey struct{}

// lowOf gives what a connection was accepted as.
func lowOf(c net.Conn) *lowConn {
	switch c := c.(type) {
	case *readConn:
		return c.low
	case *tls.Conn:
		low, _ := c.NetConn().(*lowConn)
		return low
	}
	return nil
}

// give has net/http serve a connection.
func (s *slowRoad) give(c net.Conn) {
	select {
	case s.conns <- c:
	case <-s.done:
		c.Close()
	}
}

// Accept, Close and Addr make the road a listener of what it is given.
func (s *slowRoad) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (s *slowRoad) Close() error { s.once.Do(func() { close(s.done) }); return nil }

// Addr is none: the road listens nowhere.
func (s *slowRoad) Addr() net.Addr { return &net.UnixAddr{} }

func (s *slowRoad) shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		s.server.Close() // ctx has ended: what is left is cut off
	}
	s.served.Wait()
	s.clear.CloseIdleConnections()
	s.secure.CloseIdleConnections()
	return err
}

// serve answers one request.
func (s *slowRoad) serve(w http.ResponseWriter, r *http.Request) {
	e := s.e
	low, ok := r.Context().Value(lowKey{}).(*lowConn)
	if !ok || low == nil {
		http.Error(w, "lodge: the connection is unknown", http.StatusInternalServerError) // cannot be: give takes no other
		return
	}
	x, p := newExchange(r, low, e.lim.Fields)
	if p != nil {
		x.answer(w, p)
		return
	}
	for range maxMoves {
		rt, p, wait := e.decide(&x.facts, low.in)
		if wait {
			rt, p = e.hold(r.Context(), &x.facts, low.in, nil)
		}
		if p != nil {
			x.answer(w, p)
			return
		}
		err := s.carry(w, r, x, rt)
		if err == nil {
			return
		}
		if !errors.Is(err, errMoved) {
			x.answer(w, e.upstreamPage(rt, err))
			return
		}
	}
	x.answer(w, movingPage())
}

// carry takes the request to a service. An error means that nothing was sent
// to the client yet.
func (s *slowRoad) carry(w http.ResponseWriter, r *http.Request, x *exchange, rt *route) error {
	rt.use.begin()
	defer func() { rt.use.end(s.e.now.Load()) }()
	if !rt.slowRoad(&x.facts) && x.upgrade == nil {
		return x.carry(s.e, w, r, rt)
	}
	var failed error
	ctx := context.WithValue(r.Context(), carryKey{}, &carrying{x: x, route: rt, failed: &failed})
	s.forward.ServeHTTP(w, r.WithContext(ctx))
	var up *upError
	if errors.As(failed, &up) && up.refused() {
		return s.e.await(ctx, rt, up, nil)
	}
	return failed
}

type carryKey struct{}

// carrying is what ReverseProxy's hooks need to know of a request.
type carrying struct {
	x      *exchange
	route  *route
	failed *error
}

// rewrite makes the request to the service.
func (s *slowRoad) rewrite(p *httputil.ProxyRequest) {
	c := p.In.Context().Value(carryKey{}).(*carrying)
	p.Out.URL = &url.URL{Scheme: "http", Path: p.In.URL.Path, RawPath: p.In.URL.RawPath, RawQuery: p.In.URL.RawQuery, ForceQuery: p.In.URL.ForceQuery}
	p.Out.Host = p.In.Host
	if c.route.Host != "" {
		p.Out.Host = c.route.Host
	}
	h := p.Out.Header
	for k := range h {
		switch fieldOf([]byte(k)) {
		case fieldAlias, fieldForwarded, fieldXForwarded, fieldHTTP2Settings:
			delete(h, k)
		}
	}
	if c.x.upgrade == nil { // an h2c upgrade, among others
		h.Del("Upgrade")
		h.Del("Connection")
		if c.x.teTrailer {
			h.Set("Te", "trailers")
		}
	}
	// What lodge says of the request is what it says on the hot road.
	own := endHead(nil, &facts{host: c.x.host, port: c.x.port}, &c.x.low.client)
	for line := range strings.SplitSeq(string(own), "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok {
			h.Add(k, v)
		}
	}
}

// RoundTrip sends a request to the first endpoint of the service that takes a
// connection.
func (s *slowRoad) RoundTrip(r *http.Request) (*http.Response, error) {
	c := r.Context().Value(carryKey{}).(*carrying)
	var last error
	if r.Body != nil && r.Body != http.NoBody && len(c.route.Endpoints) > 1 {
		r.Body = io.NopCloser(r.Body) // a Transport closes it also where it could not connect
	}
	for i, p := range c.route.Endpoints {
		r.URL.Host = s.hostOf(p)
		t := s.plain
		r.URL.Scheme = "http"
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
		last = &upError{p, "ask", err}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || i == len(c.route.Endpoints)-1 {
			break
		}
	}
	return nil, last
}

func (s *slowRoad) failed(_ http.ResponseWriter, r *http.Request, err error) {
	*r.Context().Value(carryKey{}).(*carrying).failed = err
}

// hostOf makes an endpoint a host of a URL, which is what a Transport keeps
// connections by.
func (s *slowRoad) hostOf(p Endpoint) string {
	if p.Path == "" {
		return p.Addr.String()
	}
	return hexOf(p.Path) + unixHost
}

const unixHost = ".unix:80"

// dial is hostOf read backwards.
func (s *slowRoad) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	p, err := endpointOf(addr)
	if err != nil {
		return nil, err
	}
	return p.dial(ctx, s.e.lim.DialTime)
}

func hexOf(path string) string { return hex.EncodeToString([]byte(path)) }

func endpointOf(addr string) (Endpoint, error) {
	if path, ok := strings.CutSuffix(addr, unixHost); ok {
		b, err := hex.DecodeString(path)
		return Endpoint{Path: string(b)}, err
	}
	a, err := netip.ParseAddrPort(addr)
	return Endpoint{Addr: a}, err
}
