package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// carry takes the request to a service and its answer to the client. mine is
// false if the connection has become a tunnel. An error means that nothing was
// sent to the client yet.
func (c *h1conn) carry(r *route) (keep, mine bool, err error) {
	out := startHead(c.out[:0], &c.facts, r.Host)
	for _, h := range c.fields {
		out = addField(out, &c.facts, h, r.Origin)
	}
	out = endHead(out, &c.facts, &c.low.client)
	c.out = out

	c.body = nil
	inline := 0 // bytes of a body that go out with the head
	switch {
	case !c.hasBody:
	case !c.chunked && !c.expect && c.length <= int64(c.br.Buffered()):
		inline = int(c.length)
		b, _ := c.br.Peek(inline) // it is there
		c.out = append(c.out, b...)
	default:
		c.body = &upload{c: c, done: make(chan struct{})}
	}
	body := c.body
	c.wait.Store(c.e.now.Load())
	defer c.wait.Store(0)
	u, err := c.e.exchange(c.e.ctx, r, &c.facts, c.out, body != nil, c)
	if err != nil {
		if body != nil && body.begun {
			body.stop()
			c.facts.close = true
		}
		return false, true, err
	}
	defer c.use(nil)
	c.br.Discard(inline) // it is there
	a, err := c.interim(u)
	if err == nil && a.status == http.StatusSwitchingProtocols {
		if c.upgrade != nil && a.upgrade != nil && c.upgraded(r, u, &a) {
			return false, false, nil
		}
		err = errors.New("it changed to a protocol that was not asked for")
	}
	if err != nil {
		u.close()
		if body != nil {
			body.stop()
		}
		if errors.Is(err, errClient) {
			return false, true, nil
		}
		c.facts.close = true
		return false, true, &upError{u.pool.to, "read the answer of", err}
	}
	u.outward(r.Service, &c.facts)
	whole := c.relay(u, &a)
	if body != nil && !body.finish() {
		whole, c.facts.close = false, true
		a.reusable = false
	}
	c.use(nil)
	if whole && a.reusable {
		u.pool.put(u)
	} else {
		u.close()
	}
	return whole && !c.closes(), true, nil
}

// errClient is a client to which nothing can be written.
var errClient = errors.New("the client went away")

// interim hands 1xx answers on until the one that counts (RFC 9110, section
// 15.2). A head was read already.
func (c *h1conn) interim(u *upConn) (answer, error) {
	for range maxInterim {
		status := u.head.StatusCode()
		if status >= 200 || status == http.StatusSwitchingProtocols {
			return u.look(c.method), nil
		}
		if c.minor == 1 && (status != http.StatusContinue || c.expect) {
			out := u.addFields(statusLine(c.out[:0], status, u.head.StatusMessage()), nil)
			c.out = append(out, "\r\n"...)
			if _, err := c.c.Write(c.out); err != nil {
				return answer{}, errClient
			}
		}
		if err := u.readHead(); err != nil {
			return answer{}, err
		}
	}
	return answer{}, errors.New("it sends 1xx answers and no other")
}

// relay writes the answer to the client as it comes, and reports whether all of
// it was read and written. If not, the client is told by the connection's end.
func (c *h1conn) relay(u *upConn, a *answer) bool {
	out := u.addFields(statusLine(c.out[:0], a.status, u.head.StatusMessage()), a.connection)
	chunked := false
	switch {
	case a.length >= 0:
		if n := u.head.ContentLength(); n >= 0 && a.status != 204 {
			out = append(out, "Content-Length: "...)
			out = strconv.AppendInt(out, int64(n), 10)
			out = append(out, "\r\n"...)
		}
	case c.minor == 0: // it ends with the connection
		c.facts.close = true
	default:
		chunked = true
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if a.trailer != nil {
			out = appendField(out, []byte("Trailer"), a.trailer)
		}
	}
	out = c.appendConnection(out)
	c.out = append(out, "\r\n"...)

	if a.length >= 0 && a.length <= int64(u.br.Buffered()) {
		b, _ := u.br.Peek(int(a.length)) // it is there
		c.out = append(c.out, b...)
		u.br.Discard(len(b))
		return c.write(c.out)
	}
	var src io.Reader
	switch a.length {
	case -1:
		src = newChunks(u.br)
	case -2:
		src = u.br
	default:
		src = &io.LimitedReader{R: u.br, N: a.length}
	}
	whole := c.relayBody(u, src, chunked, begins(u.br, a.length == -1))
	if !whole {
		c.broken()
	}
	return whole
}

// begins reports whether the first bytes of a body were read with the head, so
// that both go out together.
func begins(br *bufio.Reader, chunked bool) bool {
	b, _ := br.Peek(br.Buffered()) // all of it is there
	if !chunked {
		return len(b) > 0
	}
	i := bytes.IndexByte(b, '\n')
	return i >= 0 && i+1 < len(b)
}

// relayBody writes the head in c.out and then the body, each piece as soon as
// it was read.
func (c *h1conn) relayBody(u *upConn, src io.Reader, chunked, together bool) bool {
	block := c.e.buffers.block()
	defer c.e.buffers.putBlock(block)
	p := piece{block: block[:], chunked: chunked}
	if together && len(c.out) <= maxJoined {
		p.head = c.out
	} else if !c.write(c.out) {
		return false
	}
	for {
		n, err := src.Read(p.room())
		if n > 0 && !c.write(p.frame(n)) {
			return false
		}
		if err != nil {
			return (p.head == nil || c.write(p.head)) && c.finishBody(u, src, chunked, err)
		}
	}
}

// finishBody writes what follows a body, given how its reading ended.
func (c *h1conn) finishBody(u *upConn, src io.Reader, chunked bool, err error) bool {
	if l, ok := src.(*io.LimitedReader); ok {
		return l.N == 0
	}
	if err != io.EOF {
		return false
	}
	c.out = c.out[:0]
	if _, ok := src.(*chunks); ok {
		trailer, err := readTrailer(u.br)
		if err != nil {
			return false
		}
		if !chunked {
			return true
		}
		c.out = appendTrailer(append(c.out, "0\r\n"...), trailer)
		return c.write(c.out)
	}
	if !chunked {
		return true
	}
	c.out = append(c.out, "0\r\n\r\n"...)
	return c.write(c.out)
}

// write sends to the client, in one system call where it can. A client that
// takes nothing for too long is given up by the watch.
func (c *h1conn) write(b []byte) bool {
	c.deadline(c.e.lim.StallTime)
	var err error
	if c.low.client.tls && len(b) > maxRecord {
		c.low.collect()
		_, err = c.c.Write(b)
		err = errors.Join(err, c.low.flush())
	} else {
		_, err = c.c.Write(b)
	}
	c.due.Store(0)
	return err == nil
}

// maxRecord is the largest record of TLS (RFC 8446, section 5.1).
const maxRecord = 16 << 10

// broken makes the connection end with a reset: nothing else tells an answer
// of HTTP/1.0 that was cut from one that is whole.
func (c *h1conn) broken() {
	c.cut = true
	if l, ok := c.low.Conn.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0) // where it fails, an orderly end is all there is
	}
}
