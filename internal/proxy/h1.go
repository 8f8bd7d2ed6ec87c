package proxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// h1conn is a client's connection on the hot road: HTTP/1, in the clear or
// over TLS. One goroutine reads its requests and answers them one after the
// other.
type h1conn struct {
	e   *Engine
	low *lowConn
	c   net.Conn // low, or TLS over it
	br  *bufio.Reader
	req fasthttp.RequestHeader
	facts
	nameBuf [maxHost]byte
	fields  []headField // of req
	out     []byte      // heads that are being made
	body    *upload     // of the request, if it does not go out with the head
	cut     bool        // an answer was not finished
	solo    solo

	due     atomic.Int64 // the watch closes the connection then, on the engine's clock; 0: never
	readDue atomic.Int64 // the same for an upload
	wait    atomic.Int64 // since when the client has nothing to do but wait; 0: it has
	idle    atomic.Bool  // between requests

	mu   sync.Mutex    // guards what follows
	up   *upConn       // closed when the client goes
	gone chan struct{} // closed when the client goes; nil until someone asks
	left bool          // the client has gone
}

func (c *h1conn) deadline(d time.Duration) { c.due.Store(c.e.now.Load() + int64(d)) }

// serve answers requests until the connection ends.
func (c *h1conn) serve() {
	c.br = c.e.buffers.reader(c.c)
	c.req.DisableNormalizing()
	for c.next() {
	}
}

// next answers one request, and reports whether another may follow. If not, the
// connection is closed or is another's.
func (c *h1conn) next() bool {
	if c.br.Buffered() == 0 {
		c.rest()
		// Others first: when this goroutine's turn comes again, the next request
		// is often there, and a Read that finds nothing is a call for nothing.
		if c.solo.is() {
			_ = c.low.raw.Control(func(fd uintptr) { c.solo.await(fd) }) // if it is closed, the next line says so
		} else {
			runtime.Gosched()
		}
		if _, err := c.br.Peek(1); err != nil {
			c.end()
			return false
		}
		c.idle.Store(false)
	}
	c.deadline(c.e.lim.HeadTime)
	c.count()
	p, err := c.readHead()
	if err != nil {
		c.end()
		return false
	}
	if p != nil { // what follows such a head could be read in more than one way
		c.close = true
		c.answer(p)
		c.endSlowly()
		return false
	}
	if c.minor == 2 {
		c.handOver()
		return false
	}
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

// rest marks the connection as one that may be closed.
func (c *h1conn) rest() {
	c.deadline(c.e.lim.IdleTime)
	c.idle.Store(true)
	select {
	case <-c.e.done:
		c.abort()
	default:
	}
}

// handle carries the request whose head was read. mine is false if the
// connection is another's now.
func (c *h1conn) handle() (keep, mine bool) {
	if s := c.e.snap.Load(); c.low.in.only == "" {
		if r, _ := s.find(c.name); r != nil && r.slowRoad(&c.facts) {
			c.handOver()
			return false, false
		}
	}
	for range maxMoves {
		r, p := c.decide()
		if p != nil {
			return c.refuse(p), true
		}
		if r.slowRoad(&c.facts) {
			c.handOver()
			return false, false
		}
		r.use.begin()
		keep, mine, err := c.carry(r)
		r.use.end(c.e.now.Load())
		if err == nil {
			return keep, mine
		}
		if !errors.Is(err, errMoved) {
			return c.refuse(c.e.upstreamPage(r, err)), true
		}
	}
	return c.refuse(movingPage()), true
}

// maxMoves is how often a service may move while a request looks for it.
const maxMoves = 50

func (c *h1conn) decide() (*route, *page) {
	r, p, wait := c.e.decide(&c.facts, c.low.in)
	if !wait {
		return r, p
	}
	c.wait.Store(c.e.now.Load())
	defer c.wait.Store(0)
	choose := func(s *snapshot) (*route, *page, bool) { return c.e.choose(s, &c.facts, c.low.in) }
	return c.e.hold(c.e.ctx, choose, c.goneChan())
}

// refuse answers with a page instead of a service's answer.
func (c *h1conn) refuse(p *page) (keep bool) {
	if p.status == 499 {
		return false
	}
	// A body that is not there yet may never come where the client waits for
	// 100 Continue; and a long one is not worth reading.
	if c.hasBody && (c.expect || !c.skipBuffered()) {
		c.facts.close = true
	}
	return c.answer(p) && !c.closes()
}

// skipBuffered drops the request's body if all of it was read already.
func (c *h1conn) skipBuffered() bool {
	if c.chunked || c.length > int64(c.br.Buffered()) {
		return false
	}
	_, err := c.br.Discard(int(c.length))
	return err == nil
}

// closes reports whether the connection ends with this answer.
func (c *h1conn) closes() bool {
	if c.facts.close || c.minor == 0 && !c.keepAlive {
		return true
	}
	select {
	case <-c.e.done:
		return true
	default:
		return false
	}
}

// answer writes a page.
func (c *h1conn) answer(p *page) bool {
	ctype, body := p.render(c.accept)
	out := statusLine(c.out[:0], p.status, nil)
	p.headers(func(k, v string) { out = appendField(out, bytesOf(k), bytesOf(v)) })
	out = appendField(out, []byte("Content-Type"), []byte(ctype))
	out = appendField(out, []byte("Content-Length"), []byte(itoa(len(body))))
	out = c.appendConnection(out)
	out = append(out, "\r\n"...)
	if string(c.method) != "HEAD" {
		out = append(out, body...)
	}
	c.out = out
	c.deadline(c.e.lim.StallTime)
	_, err := c.c.Write(out)
	c.due.Store(0)
	return err == nil
}

func (c *h1conn) appendConnection(out []byte) []byte {
	switch {
	case c.closes():
		return append(out, "Connection: close\r\n"...)
	case c.minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// handOver gives the connection to net/http, with the head that was read.
func (c *h1conn) handOver() {
	var first []byte
	if c.minor == 2 {
		first = append(first, h2Line...)
	} else {
		first = append(first, c.method...)
		first = append(first, ' ')
		first = append(first, c.target...)
		first = append(first, " HTTP/1."...)
		first = append(first, '0'+byte(c.minor))
		first = append(first, "\r\n"...)
		first = append(first, c.req.RawHeaders()...)
	}
	buffered, _ := c.br.Peek(c.br.Buffered()) // all of it is there
	first = append(first, buffered...)
	c.release()
	c.e.leave(c)
	rc := &readConn{Conn: c.c, low: c.low, first: first}
	if c.minor == 2 {
		c.e.slow.giveH2(rc, c.low)
		return
	}
	c.e.slow.give(rc)
}

// release gives the buffers back.
func (c *h1conn) release() {
	c.e.buffers.putReader(c.br)
	c.br = nil
}

// end closes the connection.
func (c *h1conn) end() {
	c.e.leave(c)
	c.c.Close()
	if c.br != nil {
		c.release()
	}
}

// lingerBytes and lingerTime bound what is still read of a request whose
// answer was sent: closing a socket with bytes that were not read sends a
// reset, which may overtake the answer.
const (
	lingerBytes = 256 << 10
	lingerTime  = time.Second
)

func (c *h1conn) endSlowly() {
	c.deadline(lingerTime)
	if t, ok := c.c.(*tls.Conn); ok {
		t.CloseWrite() // whatever becomes of it, TCP's follows
	}
	if c.low.CloseWrite() == nil {
		io.CopyN(io.Discard, c.br, lingerBytes) // ends with the client, the bytes, or the time
	}
	c.end()
}

// closeIfIdle is for Shutdown.
func (c *h1conn) closeIfIdle() {
	if c.idle.Load() {
		c.abort()
	}
}

// abort ends whatever the connection's goroutine waits for.
func (c *h1conn) abort() {
	c.low.Conn.Close()
	c.depart()
}

// depart is called when the client has gone, to end what is done for it.
func (c *h1conn) depart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return
	}
	c.left = true
	if c.up != nil {
		c.up.c.Close()
	}
	if c.gone != nil {
		close(c.gone)
	}
}

// use notes the connection to a service that serves this client now; nil: none
// does. It says false if the client has gone.
func (c *h1conn) use(u *upConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = u
	return !c.left
}

// alone is not nil if the client is the only one.
func (c *h1conn) alone() *solo {
	if c.solo.is() {
		return &c.solo
	}
	return nil
}

// upload begins to send the body.
func (c *h1conn) upload(u *upConn) { c.body.start(u) }

func (c *h1conn) goneChan() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone == nil {
		c.gone = make(chan struct{})
		if c.left {
			close(c.gone)
		}
	}
	return c.gone
}
