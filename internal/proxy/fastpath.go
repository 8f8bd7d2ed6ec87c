package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/pages"
	"lodge/internal/proxy/socket"
)

// fastConn is a client's connection on the fast path: HTTP/1, in the clear or
// over TLS, to services that speak HTTP/1. One goroutine reads its requests and
// answers them one after the other.
type fastConn struct {
	lifetime
	e        *Engine
	accepted *accepted
	c        net.Conn // accepted, or TLS over it
	in       http1.Reader
	req      http1.Request
	msg      message      // of req
	out      []byte       // heads that are being made
	body     http1.Body   // of req, if it does not go out with the head
	writer   http1.Writer // of the answer's body
	cut      bool         // an answer was not finished
	busy     socket.BusyWait
}

// serve answers requests until the connection ends.
func (c *fastConn) serve() {
	c.in.Open(c.c, &c.e.buffers)
	for c.next() {
	}
}

// next answers one request, and reports whether another may follow. If not, the
// connection is closed or is another's.
func (c *fastConn) next() bool {
	if c.in.Buffered() == 0 {
		c.rest()
		// Others first: when this goroutine's turn comes again, the next request
		// is often there, and a Read that finds nothing is a call for nothing.
		if c.busy.On() {
			_ = c.accepted.Raw.Control(func(fd uintptr) { c.busy.Wait(fd) }) // if it is closed, the next line says so
		} else {
			runtime.Gosched()
		}
		if _, err := c.in.Peek(1); err != nil {
			c.end()
			return false
		}
		c.idle.Store(false)
	}
	c.deadline(c.e.lim.HeadTime)
	c.count()
	if err := c.req.Read(&c.in, c.e.lim.Head, c.e.lim.Fields); err != nil {
		p := unreadable(err, c.e.lim.Head)
		if p == nil { // the client has closed, or keepTime has
			c.end()
			return false
		}
		// What follows such a head could be read in more than one way.
		c.req.Close = true
		c.answer(p)
		c.endSlowly()
		return false
	}
	if c.req.Minor == 2 {
		c.handOver()
		return false
	}
	c.req.TLS = c.accepted.client.TLS
	c.due.Store(0)
	keep, mine := c.handle()
	if !mine {
		return false
	}
	switch {
	case keep:
	case c.cut:
		c.end()
	default:
		c.endSlowly()
	}
	return keep
}

// unreadable returns the page for a head that is refused, or nil if err is the
// connection's.
func unreadable(err error, maxHead int) *pages.Page {
	var refused *http1.HeadError
	switch {
	case errors.Is(err, http1.ErrHeadTooLong):
		return pages.BadRequest(http.StatusRequestHeaderFieldsTooLarge, "its head is longer than "+itoa(maxHead)+" bytes")
	case errors.Is(err, http1.ErrFields):
		return pages.BadRequest(http.StatusRequestHeaderFieldsTooLarge, err.Error())
	case errors.Is(err, http1.ErrVersion):
		return pages.BadRequest(http.StatusHTTPVersionNotSupported, err.Error())
	case errors.As(err, &refused):
		return pages.BadRequest(http.StatusBadRequest, err.Error())
	}
	return nil
}

// count counts the request for the busy-wait.
func (c *fastConn) count() {
	if c.e.latest.Load() == c {
		c.busy.Add()
		return
	}
	c.e.latest.Store(c)
	c.busy.Reset()
}

// rest marks the connection as one that may be closed.
func (c *fastConn) rest() {
	c.deadline(c.e.lim.IdleTime)
	c.idle.Store(true)
	select {
	case <-c.e.done:
		c.abort()
	default:
	}
}

// maxMoves is how often a service may move while a request looks for it.
const maxMoves = 50

// handle carries the request whose head was read. mine is false if the
// connection is another's now.
func (c *fastConn) handle() (keep, mine bool) {
	c.msg.lost = 0
	for range maxMoves {
		s := c.e.snap.Load()
		r, p, wait := c.e.decide(s, &c.req, c.accepted.only)
		if r != nil && r.byTransport(&c.req) {
			c.handOver()
			return false, false
		}
		if wait {
			if r, p = c.awaitReady(); r != nil && r.byTransport(&c.req) {
				c.handOver()
				return false, false
			}
		}
		if p != nil {
			return c.refuse(p), true
		}
		r.use.begin()
		keep, mine, err := c.carry(r)
		r.use.end(c.e.now.Load())
		if err == nil {
			return keep, mine
		}
		if !errors.Is(err, errMoved) {
			return c.refuse(pages.NoAnswer(r.Service, err, c.e.tail(r.Service))), true
		}
	}
	return c.refuse(pages.Moving()), true
}

// awaitReady waits for a service that is not ready.
func (c *fastConn) awaitReady() (*route, *pages.Page) {
	c.waits(true)
	defer c.waits(false)
	choose := func(s *snapshot) (*route, *pages.Page, bool) { return c.e.decide(s, &c.req, c.accepted.only) }
	return c.e.awaitReady(c.e.ctx, choose, c.goneChan())
}

// refuse answers with a page instead of a service's answer.
func (c *fastConn) refuse(p *pages.Page) (keep bool) {
	if p.Status == pages.StatusGone {
		return false
	}
	// A body that is not there yet may never come where the client waits for
	// 100 Continue; and a long one is not worth reading.
	if c.req.HasBody && (c.req.Expect || !c.skipBuffered()) {
		c.req.Close = true
	}
	return c.answer(p) && !c.closes()
}

// skipBuffered drops the request's body if all of it was read already.
func (c *fastConn) skipBuffered() bool {
	if c.req.Chunked || c.req.Length > int64(c.in.Buffered()) {
		return false
	}
	_, err := c.in.Discard(int(c.req.Length))
	return err == nil
}

// handOver gives the connection to the general path, with the head that was read.
func (c *fastConn) handOver() {
	first := append([]byte(nil), c.req.Raw()...)
	first = append(first, c.in.Pending()...)
	c.in.Release()
	c.e.leave(c)
	rc := &partlyRead{Conn: c.c, accepted: c.accepted, first: first}
	if c.req.Minor == 2 {
		c.e.general.giveH2(rc, c.accepted)
		return
	}
	c.e.general.give(rc)
}

// end closes the connection.
func (c *fastConn) end() {
	c.e.leave(c)
	c.c.Close()
	c.in.Release()
}

// lingerBytes and lingerTime bound what is still read of a request whose
// answer was sent: closing a socket with bytes that were not read sends a
// reset, which may overtake the answer.
const (
	lingerBytes = 256 << 10
	lingerTime  = time.Second
)

// endSlowly closes the connection when the client has read the answer.
func (c *fastConn) endSlowly() {
	c.deadline(lingerTime)
	if t, ok := c.c.(*tls.Conn); ok {
		t.CloseWrite() // whatever becomes of it, TCP's follows
	}
	if c.accepted.CloseWrite() == nil {
		io.CopyN(io.Discard, c.in, lingerBytes) // ends with the client, the bytes, or the time
	}
	c.end()
}

// closeIfIdle is for Shutdown.
func (c *fastConn) closeIfIdle() {
	if c.idle.Load() {
		c.abort()
	}
}

// abort ends whatever the connection's goroutine waits for.
func (c *fastConn) abort() {
	c.accepted.Conn.Close() // its slot is free when the goroutine ends
	c.depart()
}

func itoa(n int) string { return strconv.Itoa(n) }
