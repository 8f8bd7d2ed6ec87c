package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lodge/internal/probe/answer"
)

// userAgent is how lodge names itself to servers.
const userAgent = "lodge-probe"

// request returns a GET of the page, as the smallest real client would send it.
func (p *prober) request(extra string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\n%s\r\n", p.path(), p.authority(), userAgent, extra)
}

func (p *prober) path() string {
	if p.target.Path != "" {
		return p.target.Path
	}
	return "/"
}

// authority is the Host that the user wrote: servers may insist on a name.
func (p *prober) authority() string { return authority(p.target) }

func authority(t Target) string {
	def := map[string]uint16{"http": 80, "ws": 80, "https": 443, "wss": 443}[t.Scheme]
	if t.Port == def {
		if strings.Contains(t.Host, ":") {
			return "[" + t.Host + "]"
		}
		return t.Host
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil
}

// askHTTP asks for a page. Where nothing says that this is a web server's port
// it listens first, since a server that speaks first would say what it is.
func askHTTP(ctx context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	if hinted(p.target.Scheme) == "" && usual(p.target.Port) == "" {
		if a, data := p.listen(ctx, s, listenFirst); len(data) > 0 || s.closed {
			return a, data
		}
	}
	return p.askPage(s)
}

func (p *prober) askPage(s *session) (*answer.Answer, []byte) {
	q := p.request("Connection: close\r\n")
	if s.say(q) != nil {
		s.closed = true
	}
	return s.hear(q, 0, answer.Recognise)
}

// askWebSocket asks the same page to become a WebSocket (RFC 6455, section
// 4.1), and closes it at once where it does.
func askWebSocket(_ context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	key := base64.StdEncoding.EncodeToString([]byte("lodge probe asks"))
	q := p.request("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n")
	if s.say(q) != nil {
		s.closed = true
	}
	a, data := s.hear(q, 4*grace, answer.ReadHTTP)
	if a.Status() == http.StatusSwitchingProtocols {
		// A close frame, masked with zeros, of status 1000.
		_, _ = s.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8})
	}
	return a, data
}

// wantsUpgrade reports whether an answer looks as if the page were a WebSocket
// only: such servers refuse a plain GET with one of these.
func wantsUpgrade(t Target, a *answer.Answer) bool {
	if a == nil || a.Protocol != "http" || a.Next != "" || a.Status() == 0 {
		return false
	}
	switch a.Status() {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUpgradeRequired, http.StatusNotImplemented:
		return true
	}
	return strings.HasPrefix(t.Scheme, "ws")
}

// askH2 asks for a page over HTTP/2: after ALPN on TLS, or with prior
// knowledge (RFC 9113, section 3.3). One who refuses that is asked once more
// with the content type that makes a gRPC server say that it is one, although
// GET is no call.
func askH2(ctx context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	raw := &recorder{Conn: s.Conn} // not the session: HTTP/2 reads in a goroutine of its own
	tr := &http.Transport{Protocols: new(http.Protocols), MaxResponseHeaderBytes: answer.MaxHead, DisableCompression: true}
	defer tr.CloseIdleConnections()
	once := func(c net.Conn) func(context.Context, string, string) (net.Conn, error) {
		var given atomic.Bool
		return func(context.Context, string, string) (net.Conn, error) {
			if given.Swap(true) {
				return nil, errors.New("one connection only")
			}
			return c, nil
		}
	}
	scheme := "http"
	if c, ok := s.Conn.(*tls.Conn); ok {
		scheme = "https"
		tr.Protocols.SetHTTP2(true)
		tr.DialTLSContext = once(c)
	} else {
		tr.Protocols.SetUnencryptedHTTP2(true)
		tr.DialContext = once(raw)
	}
	a, err := p.getH2(ctx, s, tr, scheme, "")
	if a == nil || a.Status() >= 400 && a.Protocol == "h2" {
		if b, _ := p.getH2(ctx, s, tr, scheme, typeGRPC); b != nil && (a == nil || b.Protocol == "grpc") {
			a = b
		}
	}
	if a != nil {
		return a, nil
	}
	s.closed = s.closed || failureOf(err) != answer.Timeout
	seen := raw.bytes()
	// HTTP/2 gives up a connection at the first bytes that are not its own. Where
	// they only begin a greeting, the other connections hear all of it.
	_, more := answer.Recognise(answer.Reply{Data: seen})
	a, _ = answer.Recognise(answer.Reply{Data: seen, Final: true})
	if a != nil && a.Protocol == "h2" {
		a.Next = "" // settings came, and no answer: it is HTTP/2 nevertheless
	} else if a != nil {
		a.Partial = more
	}
	return a, seen
}

// typeGRPC is the content type of gRPC over HTTP/2.
const typeGRPC = "application/grpc"

// getH2 makes one request on the connection that tr has.
func (p *prober) getH2(ctx context.Context, s *session, tr *http.Transport, scheme, contentType string) (*answer.Answer, error) {
	var asked, first time.Time
	asked = time.Now()
	trace := &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Now() }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, scheme+"://"+p.authority()+p.path(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Te", "trailers")
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if s.firstByte == 0 {
		s.firstByte = max(first.Sub(asked), 1)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, answer.MaxBody))
	a := &answer.Answer{Protocol: "h2", HTTP: &answer.HTTP{
		Version: "2", Path: answer.Plain(p.path()), Status: resp.StatusCode, Reason: http.StatusText(resp.StatusCode), Server: answer.Plain(resp.Header.Get("Server")),
		ContentType: answer.Plain(resp.Header.Get("Content-Type")), Location: answer.Plain(resp.Header.Get("Location")), Body: answer.QuoteBytes(body, 64),
	}}
	if kind := failureOf(err); err != nil && (kind == answer.Reset || kind == answer.ClosedEarly) {
		a.Failure = kind
	}
	a.Product, a.Version = answer.ServerProduct(a.HTTP.Server)
	if strings.HasPrefix(a.HTTP.ContentType, typeGRPC) || resp.Header.Get("Grpc-Status") != "" {
		a.Protocol = "grpc"
	}
	return a, nil
}
