// Package unixhttp is a small client of HTTP/1.1 (RFC 9112) over Unix sockets, for the
// daemon's API. Package net/http would do the same, and brings TLS, HTTP/2 and
// certificates with it, whose initialisation each command would pay at its start.
package unixhttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Methods of requests (RFC 9110, section 9.3).
const (
	Get  = "GET"
	Post = "POST"
)

// Statuses that callers look at (RFC 9110, section 15).
const (
	StatusOK             = 200
	StatusNotImplemented = 501
)

// maxHead bounds the head of a response, and the trailer of one that is chunked, in
// bytes.
const maxHead = 64 << 10

// Client sends requests to one server. It is safe for use by many goroutines.
type Client struct {
	// Dial connects to the server.
	Dial func(context.Context) (net.Conn, error)

	mu   sync.Mutex // guards idle
	idle *conn      // one that the last answer left in order, or nil
}

// Request is one request.
type Request struct {
	Method string
	// Target is the path with the query, escaped already.
	Target string
	// Body is JSON, or nil for none.
	Body []byte
	// Wrote is called when the request has been written, before the response is read.
	// It may be nil.
	Wrote func()
}

// Response is the answer to a request. The caller closes its body.
type Response struct {
	StatusCode int
	Status     string // such as "404 Not Found"
	Header     textproto.MIMEHeader
	// ContentLength is how many bytes the body has, or -1 where only its end says.
	ContentLength int64
	Body          io.ReadCloser
}

// conn is one connection.
type conn struct {
	net.Conn
	limit *io.LimitedReader // below in
	in    *bufio.Reader
	sent  []string // targets of requests that Send has written, and that are not answered
}

// Do sends a request and returns the answer, also where its status is one of an error.
// ctx ends the request, and later the reading of the body, whose error is that of ctx
// then. Interim answers (1xx) are skipped.
//
// A connection is used again for a request that can be repeated (GET), and the request
// sent anew where the server had closed it meanwhile.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if r.Method == Get {
		old := c.take()
		if old != nil && !old.expects(r) {
			_ = old.Close()
			old = nil
		}
		if old != nil {
			resp, err := c.exchange(ctx, old, r)
			var stale *staleError
			if !errors.As(err, &stale) {
				return resp, err
			}
		}
	}
	on, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := c.exchange(ctx, on, r)
	var stale *staleError
	if errors.As(err, &stale) {
		err = stale.error
	}
	return resp, err
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	nc, err := c.Dial(ctx)
	if err != nil {
		return nil, err
	}
	limit := &io.LimitedReader{R: nc}
	return &conn{Conn: nc, limit: limit, in: bufio.NewReader(limit)}, nil
}

// Close closes the connection that waits to be used again.
func (c *Client) Close() {
	if old := c.take(); old != nil {
		_ = old.Close()
	}
}

func (c *Client) take() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.idle
	c.idle = nil
	return old
}

// put keeps a connection to be used again.
func (c *Client) put(used *conn) {
	c.mu.Lock()
	old := c.idle
	c.idle = used
	c.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// staleError is that of a connection which ended before the first byte of an answer.
type staleError struct{ error }

func (e *staleError) Unwrap() error { return e.error }

// exchange sends a request on a connection, which it closes unless the answer's body
// does so later.
func (c *Client) exchange(ctx context.Context, on *conn, r Request) (*Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = on.SetDeadline(time.Unix(1, 0)) })
	fail := func(err error) (*Response, error) {
		stop()
		_ = on.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	if len(on.sent) > 0 {
		on.sent = on.sent[1:]
	} else if _, err := on.Write(appendRequest(nil, r)); err != nil {
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
			err = &staleError{err}
		}
		return fail(err)
	}
	if r.Wrote != nil {
		r.Wrote()
	}
	on.limit.N = maxHead
	if _, err := on.in.Peek(1); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
			err = &staleError{err}
		}
		return fail(err)
	}
	resp, err := readHead(on.in)
	if err != nil {
		return fail(err)
	}
	body, err := newBody(on, resp)
	if err != nil {
		return fail(err)
	}
	body.ended = func(whole bool) error {
		if whole && stop() && !closes(resp.Header) {
			c.put(on)
			return nil
		}
		stop()
		return on.Close()
	}
	body.cause = ctx.Err
	resp.Body = body
	return resp, nil
}

// Ask sends a request on a connection of the caller's, of which in reads, and returns the
// head of the answer. Its body is what in reads next, however it is framed.
func Ask(on io.Writer, in *bufio.Reader, r Request) (*Response, error) {
	if _, err := on.Write(appendRequest(nil, r)); err != nil {
		return nil, err
	}
	resp, err := readHead(in)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(in)
	return resp, nil
}

func appendRequest(b []byte, r Request) []byte {
	b = fmt.Appendf(b, "%s %s HTTP/1.1\r\nHost: lodge\r\n", r.Method, r.Target)
	if r.Body != nil {
		b = append(b, "Content-Type: application/json\r\n"...)
	}
	if r.Body != nil || r.Method != Get {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(r.Body))
	}
	return append(append(b, "\r\n"...), r.Body...)
}

// readHead reads the status line and the fields of the answer that is no interim one.
func readHead(in *bufio.Reader) (*Response, error) {
	text := textproto.NewReader(in)
	for {
		line, err := text.ReadLine()
		if err != nil {
			return nil, unexpected(err)
		}
		resp, err := parseStatusLine(line)
		if err != nil {
			return nil, err
		}
		if resp.Header, err = text.ReadMIMEHeader(); err != nil {
			return nil, unexpected(err)
		}
		if resp.StatusCode >= 200 {
			return resp, nil
		}
	}
}

// parseStatusLine reads a line such as "HTTP/1.1 200 OK".
func parseStatusLine(line string) (*Response, error) {
	version, status, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(status, " ")
	n, err := strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 || err != nil || n < 100 {
		return nil, fmt.Errorf("read status line %q: it is not HTTP/1", line)
	}
	return &Response{StatusCode: n, Status: strings.TrimSpace(status)}, nil
}

// closes reports whether the server closes the connection after an answer.
func closes(h textproto.MIMEHeader) bool {
	for _, v := range h["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "close") {
				return true
			}
		}
	}
	return false
}

// unexpected makes the end of a connection within a message the error that it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
