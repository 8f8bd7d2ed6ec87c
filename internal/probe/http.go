package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"lodge/internal/probe/answer"
)

// userAgent is how lodge names itself to servers.
const userAgent = "lodge-probe"

func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil
}

// askHTTP asks for a page. Where nothing says that this is a web server's port
// it listens first, since a server that speaks first would say what it is.
func askHTTP(ctx context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	if hinted(p.target.Scheme) == "" && usual(p.target.Port) == "" {
		if a, data := s.listen(listenFirst); len(data) > 0 || s.closed {
			return a, data
		}
	}
	return p.page.ask(s)
}

// askWebSocket asks the same page to become a WebSocket (RFC 6455, section
// 4.1), and closes it at once where it does.
func askWebSocket(_ context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	key := base64.StdEncoding.EncodeToString([]byte("lodge probe asks"))
	q := p.page.request("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n")
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
// knowledge (RFC 9113, section 3.3). A server that refuses that is asked once more
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
	a, err := p.page.getH2(ctx, s, tr, scheme, "")
	if a == nil || a.Status() >= 400 && a.Protocol == "h2" {
		if b, _ := p.page.getH2(ctx, s, tr, scheme, typeGRPC); b != nil && (a == nil || b.Protocol == "grpc") {
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
