package upstream

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"lodge/internal/proxy/policy"
)

// Transport asks services that speak HTTP/2 or TLS, by net/http's Transport.
type Transport struct {
	cfg    *Config
	clear  *http.Transport // h2c
	secure *http.Transport // TLS, with either HTTP
}

// NewTransport returns a transport without connections.
func NewTransport(cfg *Config) *Transport {
	t := &Transport{cfg: cfg}
	var h2, both http.Protocols
	h2.SetUnencryptedHTTP2(true)
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	t.clear = &http.Transport{Protocols: &h2, DialContext: t.dial, DisableCompression: true, IdleConnTimeout: cfg.KeepTime}
	t.secure = &http.Transport{
		Protocols: &both, DialContext: t.dial, DisableCompression: true, IdleConnTimeout: cfg.KeepTime,
		MaxIdleConnsPerHost: cfg.MaxIdle, TLSHandshakeTimeout: cfg.DialTime, TLSClientConfig: cfg.tlsConfig(),
	}
	return t
}

// Close closes the connections that nothing uses.
func (t *Transport) Close() {
	t.clear.CloseIdleConnections()
	t.secure.CloseIdleConnections()
}

// RoundTrip sends a request to the first of the endpoints of a service that takes
// a connection. Scheme and host of its URL are set here. An endpoint that is
// not HTTPS is asked in HTTP/2 in the clear. The error is an [*Error].
func (t *Transport) RoundTrip(r *http.Request, endpoints []policy.Endpoint) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody && len(endpoints) > 1 {
		r.Body = io.NopCloser(r.Body) // a Transport closes it also where it could not connect
	}
	var first error
	for _, p := range endpoints {
		by := t.clear
		r.URL.Scheme, r.URL.Host = "http", urlHost(p)
		if p.Protocol == policy.HTTPS {
			by, r.URL.Scheme = t.secure, "https"
		}
		res, err := by.RoundTrip(r)
		if err == nil {
			return res, nil
		}
		if first == nil {
			first = &Error{p, "ask", err}
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			break
		}
	}
	return nil, first
}

// unixHost ends the host of a URL that stands for a Unix socket.
const unixHost = ".unix:80"

// urlHost makes an endpoint a host of a URL, which is what a Transport keeps
// connections by.
func urlHost(p policy.Endpoint) string {
	if p.Path == "" {
		return p.Addr.String()
	}
	return hex.EncodeToString([]byte(p.Path)) + unixHost
}

// dial is urlHost read backwards.
func (t *Transport) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	if path, ok := strings.CutSuffix(addr, unixHost); ok {
		b, err := hex.DecodeString(path)
		if err != nil {
			return nil, err
		}
		return t.cfg.Dial(ctx, policy.Endpoint{Path: string(b)})
	}
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	return t.cfg.Dial(ctx, policy.Endpoint{Addr: a})
}
