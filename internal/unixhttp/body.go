package unixhttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
)

// body is the body of an answer. One that ends before its framing says so ends with
// io.ErrUnexpectedEOF.
type body struct {
	from  io.Reader
	cause func() error
	// ended is called once: after the end of the body, or when it is closed.
	ended func(whole bool) error
	once  sync.Once
	err   error
}

// newBody returns the body of an answer whose head was read (RFC 9112, section 6.3).
func newBody(on *conn, resp *Response) (*body, error) {
	on.limit.N = math.MaxInt64
	resp.ContentLength = -1
	codings, length := resp.Header["Transfer-Encoding"], resp.Header["Content-Length"]
	switch {
	case resp.StatusCode == 204 || resp.StatusCode == 304:
		resp.ContentLength = 0
		return &body{from: &counted{in: on.in}}, nil
	case len(codings) > 0:
		if len(codings) > 1 || !strings.EqualFold(codings[0], "chunked") {
			return nil, fmt.Errorf("read answer: transfer coding %q is not known", strings.Join(codings, ", "))
		}
		return &body{from: &chunked{on: on, in: on.in}}, nil
	case len(length) > 0:
		n, err := strconv.ParseUint(length[0], 10, 63)
		if err != nil || len(length) > 1 {
			return nil, fmt.Errorf("read answer: bad Content-Length %q", strings.Join(length, ", "))
		}
		resp.ContentLength = int64(n)
		return &body{from: &counted{in: on.in, left: int64(n)}}, nil
	}
	resp.Header["Connection"] = []string{"close"} // its end is that of the body
	return &body{from: on.in}, nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err == nil {
		return n, nil
	}
	if cause := b.cause(); cause != nil && !errors.Is(err, io.EOF) {
		err = cause
	}
	b.err = err
	b.end(errors.Is(err, io.EOF))
	return n, err
}

// Close ends the reading of the body.
func (b *body) Close() error {
	if b.err == nil {
		b.err = errClosed
	}
	return b.end(false)
}

var errClosed = errors.New("read answer: its body is closed")

func (b *body) end(whole bool) (err error) {
	b.once.Do(func() { err = b.ended(whole) })
	return err
}

// counted is a body with a Content-Length.
type counted struct {
	in   *bufio.Reader
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err == nil && c.left == 0 {
		err = io.EOF // the reader of JSON asks no second time
	} else {
		err = unexpected(err)
	}
	return n, err
}

// chunked is a body in chunks (RFC 9112, section 7.1). Extensions of chunks and fields
// of the trailer are passed over.
type chunked struct {
	on   *conn
	in   *bufio.Reader
	left uint64 // of the chunk
	more bool   // a chunk was read: the end of its line is next
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(uint64(len(p)), c.left)])
	c.left -= uint64(n)
	return n, unexpected(err)
}

// next reads the head of the next chunk. After the last one it reads the trailer and
// returns io.EOF.
func (c *chunked) next() error {
	if c.more {
		if line, err := c.line(); err != nil || line != "" {
			return c.malformed(line, err)
		}
	}
	line, err := c.line()
	if err != nil {
		return c.malformed(line, err)
	}
	size, _, _ := strings.Cut(line, ";")
	if c.left, err = strconv.ParseUint(strings.TrimSpace(size), 16, 63); err != nil {
		return c.malformed(line, nil)
	}
	c.more = true
	if c.left > 0 {
		return nil
	}
	c.on.limit.N = maxHead
	if _, err := textproto.NewReader(c.in).ReadMIMEHeader(); err != nil {
		return unexpected(err)
	}
	return io.EOF
}

// line reads a line, without its end. One that does not fit into the buffer is an error.
func (c *chunked) line() (string, error) {
	b, err := c.in.ReadSlice('\n')
	return strings.TrimRight(string(b), "\r\n"), unexpected(err)
}

func (c *chunked) malformed(line string, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("read answer: %q is not the head of a chunk", line[:min(len(line), 40)])
}
