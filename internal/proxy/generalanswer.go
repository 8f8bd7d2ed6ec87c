package proxy

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"lodge/internal/proxy/buffers"
	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/upstream"
)

// interim hands a 1xx answer on. 100 Continue net/http has sent.
func (x *generalCall) interim(head *http1.Response) error {
	if head.Status == http.StatusContinue {
		return nil
	}
	h := x.w.Header()
	addFields(h, head)
	x.w.WriteHeader(head.Status)
	clear(h)
	return nil
}

func addFields(h http.Header, head *http1.Response) {
	for _, f := range head.Fields {
		if head.Passes(f) {
			h.Add(string(f.Name), string(f.Value))
		}
	}
}

// relay writes an answer as it comes. empty: it has no body. by is the connection
// that it comes from; nil: it is net/http's.
func (x *generalCall) relay(head *http1.Response, body http1.Source, empty bool, by *upstream.Conn) error {
	h := x.w.Header()
	addFields(h, head)
	if n := head.ContentLength; n >= 0 && head.Status != http.StatusNoContent {
		h.Set("Content-Length", strconv.FormatInt(n, 10))
	}
	if len(head.Trailer) > 0 {
		h.Set("Trailer", string(head.Trailer))
	}
	if _, ok := h["Date"]; !ok {
		h["Date"] = nil // none of lodge's making
	}
	x.w.WriteHeader(head.Status)
	if empty {
		return nil // the head is also the end
	}
	block := x.e.buffers.Block()
	defer x.e.buffers.PutBlock(block)
	x.sink = responseSink{w: x.w, flush: http.NewResponseController(x.w).Flush, block: block}
	to := &x.sink
	if by != nil && by.Body.Begun() {
		return http1.Relay(to, body)
	}
	// Servers often write a body right after its head: if it is here by now, both
	// go out together.
	if by != nil {
		n, err := by.Body.ReadNow(block[:], by.ReadNow)
		if n > 0 {
			if perr := to.Piece(n, err == io.EOF); perr != nil || err == io.EOF {
				return perr
			}
			return http1.Relay(to, body)
		}
	}
	if head.ContentLength != 0 {
		if err := to.flush(); err != nil {
			return err
		}
	}
	return http1.Relay(to, body)
}

// responseSink writes a body to a client of net/http's server.
type responseSink struct {
	w     http.ResponseWriter
	flush func() error
	block *buffers.Block
}

// Room is http1.Sink's.
func (s *responseSink) Room() []byte { return s.block[:] }

// Piece is http1.Sink's. The end of the handler flushes the last piece.
func (s *responseSink) Piece(n int, more bool) error {
	if _, err := s.w.Write(s.block[:n]); err != nil || more {
		return err
	}
	return s.flush()
}

// End is http1.Sink's.
func (s *responseSink) End(trailer http.Header) error {
	h := s.w.Header()
	for k, vv := range trailer {
		h[http.TrailerPrefix+k] = vv // announced or not
	}
	return nil
}

// netBody is a body that net/http reads.
type netBody struct {
	from    io.Reader
	trailer *http.Header // filled when the body has ended
}

func (b *netBody) Read(p []byte) (int, error) { return b.from.Read(p) }

// Ready is http1.Source's: it is not known.
func (b *netBody) Ready() bool { return false }

// Trailer is http1.Source's.
func (b *netBody) Trailer() (http.Header, error) { return http1.FilterTrailer(*b.trailer), nil }

var errNoHijack = errors.New("take over the connection: it is none of HTTP/1")

// switchProtocols makes the client's connection and that to the service a tunnel.
func (x *generalCall) switchProtocols(rt *route, u *upstream.Conn) error {
	c, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		u.Close()
		return err
	}
	client, ok := c.(*partlyRead)
	if !ok {
		u.Close()
		c.Close()
		return errNoHijack
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // all of it is there
	early = append(early[:len(early):len(early)], client.first...)
	c.SetWriteDeadline(time.Now().Add(x.e.lim.StallTime)) // where it fails, so does Write
	if !sendSwitched(u, client.Conn, early) {
		u.Close()
		c.Close()
		return nil
	}
	c.SetWriteDeadline(time.Time{})
	joinTunnel(x.e, rt, x.accepted, client.Conn, u)
	return nil
}

// patientWriter gives a client a while to take each piece.
type patientWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	limit time.Duration
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.rc.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// patientBody gives a client a while to send each piece.
type patientBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	limit time.Duration
}

func (p *patientBody) Read(b []byte) (int, error) {
	if err := p.rc.SetReadDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.ReadCloser.Read(b)
}
