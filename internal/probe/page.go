package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"lodge/internal/probe/answer"
)

// page is the page of a target that is asked for over HTTP.
type page struct{ target Target }

// request returns a GET of the page, as the smallest real client would send it. extra
// are further header lines.
func (g page) request(extra string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\n%s\r\n", g.path(), g.authority(), userAgent, extra)
}

// path returns the path of the target, or /.
func (g page) path() string {
	if g.target.Path != "" {
		return g.target.Path
	}
	return "/"
}

// authority returns the Host that the user wrote: servers may insist on a name.
func (g page) authority() string { return authority(g.target) }

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

// ask asks for the page over HTTP/1.1.
func (g page) ask(s *session) (*answer.Answer, []byte) {
	q := g.request("Connection: close\r\n")
	if s.say(q) != nil {
		s.closed = true
	}
	return s.hear(q, 0, answer.Recognise)
}

// getH2 asks for the page over HTTP/2, on the connection of tr.
func (g page) getH2(ctx context.Context, s *session, tr *http.Transport, scheme, contentType string) (*answer.Answer, error) {
	var asked, first time.Time
	asked = time.Now()
	trace := &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Now() }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, scheme+"://"+g.authority()+g.path(), nil)
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
		Version: "2", Path: answer.Plain(g.path()), Status: resp.StatusCode, Reason: http.StatusText(resp.StatusCode), Server: answer.Plain(resp.Header.Get("Server")),
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
