package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/pages"
	"lodge/internal/proxy/upstream"
)

// carry takes the request to a service and its answer to the client. mine is
// false if the connection has become a tunnel. An error means that nothing was
// sent to the client yet.
func (c *fastConn) carry(r *route) (keep, mine bool, err error) {
	c.out = http1.AppendRequest(c.out[:0], &c.req, &c.accepted.client, r.target())
	inline := 0 // bytes of a body that go out with the head
	var body *upload
	switch {
	case !c.req.HasBody:
	case !c.req.Chunked && !c.req.Expect && c.req.Length <= int64(c.in.Buffered()):
		inline = int(c.req.Length)
		c.out = append(c.out, c.in.Pending()[:inline]...)
	default:
		length := c.req.Length
		if c.req.Chunked {
			length = http1.ChunkedLength
		}
		c.body.Begin(&c.in, length)
		body = newUpload((*awaitedBody)(c), c.req.Chunked, &c.e.buffers, func() {
			c.c.SetReadDeadline(time.Unix(1, 0)) // the one way to end a Read; where it fails, the connection is closed
		})
	}
	c.waits(true)
	defer c.waits(false)
	c.msg.head, c.msg.body, c.msg.replay, c.msg.busy = c.out, body, c.req.Replayable(), nil
	if c.busy.On() {
		c.msg.busy = &c.busy
	}
	u, err := c.e.roundTrip(c.e.ctx, r, &c.msg, c)
	if err != nil {
		if body != nil && body.begun {
			c.stopUpload(body)
			c.req.Close = true
		}
		return false, true, err
	}
	defer c.use(nil)
	c.in.Discard(inline) // it is there
	if err := finalHead(u, c, c.req.Upgrade != nil); err != nil {
		u.Close()
		c.stopUpload(body)
		if errors.Is(err, errClientGone) {
			return false, true, nil
		}
		c.req.Close = true
		return false, true, &upstream.Error{To: u.Endpoint(), What: "read the answer of", Cause: err}
	}
	if u.Head.Status == 101 {
		if c.switchProtocols(r, u) {
			return false, false, nil
		}
		u.Close()
		return false, true, nil
	}
	u.Head.RewriteLocation(&c.req, r.target())
	reusable := u.Head.Reusable
	whole := c.relay(u, &reusable)
	if body != nil && !c.stopUpload(body) {
		whole, reusable = false, false
	}
	c.use(nil)
	if whole && reusable {
		u.Keep()
	} else {
		u.Close()
	}
	return whole && !c.closes(), true, nil
}

// stopUpload ends the sending of a body, and reports whether all of it was sent.
// If not, the connection cannot be used for another request.
func (c *fastConn) stopUpload(body *upload) bool {
	if body == nil || !body.begun {
		return body == nil
	}
	whole := body.stop()
	c.c.SetReadDeadline(time.Time{})
	if !whole {
		c.req.Close = true
	}
	return whole
}

// awaitedBody is the client's body; the client has a while to send each piece.
type awaitedBody fastConn

func (b *awaitedBody) Read(p []byte) (int, error) {
	b.readDue.Store(b.clock.Load() + int64(b.e.lim.StallTime))
	defer b.readDue.Store(0)
	return b.body.Read(p)
}

// Trailer is http1.Source's.
func (b *awaitedBody) Trailer() (http.Header, error) {
	b.readDue.Store(b.clock.Load() + int64(b.e.lim.StallTime))
	defer b.readDue.Store(0)
	return b.body.Trailer()
}

// Ready is http1.Source's.
func (b *awaitedBody) Ready() bool { return b.body.Ready() }

// interim hands a 1xx answer on. HTTP/1.0 has none, and 100 Continue is for a
// client that waits for it.
func (c *fastConn) interim(head *http1.Response) error {
	if c.req.Minor == 0 || head.Status == 100 && !c.req.Expect {
		return nil
	}
	c.out = append(head.AppendFields(http1.AppendStatusLine(c.out[:0], head.Status, head.Reason)), "\r\n"...)
	if _, err := c.c.Write(c.out); err != nil {
		return errClientGone
	}
	return nil
}

// relay writes the answer to the client as it comes, and reports whether all of
// it was read and written. If not, the client is told by the connection's end.
func (c *fastConn) relay(u *upstream.Conn, reusable *bool) bool {
	head := &u.Head
	length := head.BodyLength(c.req.Method)
	out := head.AppendFields(http1.AppendStatusLine(c.out[:0], head.Status, head.Reason))
	chunked := false
	switch {
	case length >= 0:
		if n := head.ContentLength; n >= 0 && head.Status != 204 {
			out = append(out, "Content-Length: "...)
			out = strconv.AppendInt(out, n, 10)
			out = append(out, "\r\n"...)
		}
	case c.req.Minor == 0: // it ends with the connection
		c.req.Close = true
	default:
		chunked = true
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if len(head.Trailer) > 0 {
			out = http1.AppendField(out, []byte("Trailer"), head.Trailer)
		}
	}
	if length == http1.ToEndLength {
		*reusable = false
	}
	c.out = append(c.appendConnection(out), "\r\n"...)
	if length >= 0 && length <= int64(u.Reader.Buffered()) { // all of it is there
		c.out = append(c.out, u.Reader.Pending()[:length]...)
		u.Reader.Discard(int(length))
		_, err := c.Write(c.out)
		return err == nil
	}
	u.Body.Begin(&u.Reader, length)
	block := c.e.buffers.Block()
	defer c.e.buffers.PutBlock(block)
	c.writer = http1.Writer{To: c, Block: block, Chunked: chunked}
	err := c.writer.Head(c.out, u.Body.Begun())
	if err == nil {
		err = http1.Relay(&c.writer, &u.Body)
	}
	if err != nil {
		c.reset()
	}
	return err == nil
}

// closes reports whether the connection ends with this answer.
func (c *fastConn) closes() bool {
	if c.req.Close || c.req.Minor == 0 && !c.req.KeepAlive {
		return true
	}
	select {
	case <-c.e.done:
		return true
	default:
		return false
	}
}

func (c *fastConn) appendConnection(out []byte) []byte {
	switch {
	case c.closes():
		return append(out, "Connection: close\r\n"...)
	case c.req.Minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// answer writes a page.
func (c *fastConn) answer(p *pages.Page) bool {
	ctype, body := p.Render(c.req.Accept)
	out := http1.AppendStatusLine(c.out[:0], p.Status, nil)
	p.Headers(func(k, v string) { out = http1.AppendField(out, []byte(k), []byte(v)) })
	out = http1.AppendField(out, []byte("Content-Type"), []byte(ctype))
	out = http1.AppendField(out, []byte("Content-Length"), []byte(itoa(len(body))))
	out = append(c.appendConnection(out), "\r\n"...)
	if string(c.req.Method) != "HEAD" {
		out = append(out, body...)
	}
	c.out = out
	_, err := c.Write(out)
	return err == nil
}

// Write sends to the client, in one system call where it can. A client that
// takes nothing for too long is given up by keepTime.
func (c *fastConn) Write(b []byte) (n int, err error) {
	c.deadline(c.e.lim.StallTime)
	if c.accepted.client.TLS && len(b) > maxRecord {
		c.accepted.collect()
		n, err = c.c.Write(b)
		err = errors.Join(err, c.accepted.flush())
	} else {
		n, err = c.c.Write(b)
	}
	c.due.Store(0)
	return n, err
}

// maxRecord is the largest record of TLS (RFC 8446, section 5.1).
const maxRecord = 16 << 10

// reset makes the connection end with a reset: nothing else tells an answer
// of HTTP/1.0 that was cut from one that is whole.
func (c *fastConn) reset() {
	c.cut = true
	if l, ok := c.accepted.Conn.Conn.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0) // where it fails, an orderly end is all there is
	}
}
