package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// upConn is a connection to a service, used for one request at a time.
type upConn struct {
	e       *Engine
	pool    *pool
	c       net.Conn
	raw     syscall.RawConn
	br      *bufio.Reader
	head    fasthttp.ResponseHeader
	fields  []headField // of head, but for those that are malformed
	reused  bool
	sending sending
	step    func(fd uintptr) bool // u.write, made once
	keep    time.Duration         // how long it may be kept idle
	options [][]byte              // room for answer.connection
	until   int64                 // when it is closed, on the engine's clock
}

func (u *upConn) close() {
	u.c.Close() // nothing can be done about what it says
	u.e.buffers.putReader(u.br)
	u.br = nil
}

// maxInterim is how many 1xx heads may come before the one that counts.
const maxInterim = 100

// readHead reads the next head of the answer.
func (u *upConn) readHead() error {
	u.head.DisableNormalizing()
	u.head.SetNoDefaultContentType(true)
	if err := u.head.Read(u.br); err != nil {
		var small *fasthttp.ErrSmallBuffer
		if !errors.As(err, &small) || u.br.Size() >= u.e.lim.Head {
			return err
		}
		u.br = grow(&u.e.buffers, u.br, u.c, u.e.lim.Head)
		if err := u.head.Read(u.br); err != nil {
			return err
		}
	}
	if v := string(u.head.Protocol()); u.head.StatusCode() < 100 || v != "HTTP/1.1" && v != "HTTP/1.0" {
		return errAnswer
	}
	u.fields = u.fields[:0]
	for k, v := range u.head.All() {
		h := headField{k, v, fieldOf(k)}
		if h.is == fieldTrailer {
			h.v = append([]byte(nil), v...) // it is in a buffer of All
		}
		// The parser has checked the values; in names it allows blanks.
		if bytes.IndexByte(k, ' ') < 0 {
			u.fields = append(u.fields, h)
		}
	}
	return nil
}

var errAnswer = errors.New("it answered, but not in HTTP/1")

// grow puts what a reader of r has buffered into one with more room.
func grow(b *buffers, br *bufio.Reader, r io.Reader, size int) *bufio.Reader {
	had, _ := br.Peek(br.Buffered()) // all of it is there
	big := bufio.NewReaderSize(&prefixed{append([]byte(nil), had...), r}, size)
	big.Peek(len(had)) // fills it with just that
	b.putReader(br)
	return big
}

// prefixed reads bytes that were read already, and then the rest.
type prefixed struct {
	first []byte
	rest  io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		if len(p.first) == 0 {
			p.first = nil
		}
		return n, nil
	}
	return p.rest.Read(b)
}

// answer is how the body of an answer is framed.
type answer struct {
	status     int
	length     int64 // -1: chunked, -2: until the connection ends
	connection [][]byte
	upgrade    []byte
	trailer    []byte
	reusable   bool // the connection, when the body was read
}

// look reads framing and connection fields of the head that was read.
func (u *upConn) look(method []byte) answer {
	a := answer{status: u.head.StatusCode(), connection: u.options[:0], length: int64(u.head.ContentLength()), reusable: !u.head.ConnectionClose()}
	u.keep = u.e.lim.KeepTime
	for _, h := range u.fields {
		switch h.is {
		case fieldConnection:
			a.connection = append(a.connection, h.v)
			u.options = a.connection
		case fieldUpgrade:
			a.upgrade = h.v
		case fieldTrailer:
			a.trailer = h.v
		case fieldKeepAlive:
			u.heed(h.v)
		}
	}
	if stringOf(method) == "HEAD" || a.status == 204 || a.status == 304 {
		a.length = 0
	}
	if a.length == -2 {
		a.reusable = false
	}
	return a
}

// heed keeps the connection for a second less than the service says that it
// does: "Keep-Alive: timeout=5" (RFC 2068, section 19.7.1.1).
func (u *upConn) heed(v []byte) {
	tokens(v, func(t []byte) bool {
		if len(t) > 8 && foldEqual(t[:8], "timeout=") {
			if n, err := strconv.ParseUint(string(t[8:]), 10, 20); err == nil {
				u.keep = min(u.keep, max(0, time.Duration(n)*time.Second-time.Second))
			}
		}
		return true
	})
}

// upError is a service that did not do its part.
type upError struct {
	to    Endpoint
	what  string
	cause error
}

func (u *upError) Error() string {
	c := u.cause
	if c == nil {
		return u.what
	}
	var op *net.OpError
	if errors.As(c, &op) {
		c = op.Err // without the addresses, of which one is said below
	}
	if errors.Is(c, io.EOF) || errors.Is(c, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("%s %s: it closed the connection without an answer", u.what, u.to)
	}
	// The first bytes of an answer in HTTP/1 would be a frame of more than 4 MB.
	// net/http keeps the error's value to itself.
	if strings.Contains(c.Error(), "http2: frame too large") {
		return fmt.Sprintf("%s %s: it answered, but not in HTTP/2", u.what, u.to)
	}
	// It had ended before the request was sent; which of both it was is not told.
	if strings.Contains(c.Error(), "http2: client conn could not be established") {
		return fmt.Sprintf("%s %s: it answered, but not in HTTP/2, or closed the connection at once", u.what, u.to)
	}
	return fmt.Sprintf("%s %s: %v", u.what, u.to, c)
}

func (u *upError) Unwrap() error { return u.cause }

// refused reports whether nobody listened at the endpoint, or stopped to listen
// while the connection waited to be accepted.
func (u *upError) refused() bool {
	return errors.Is(u.cause, syscall.ECONNREFUSED) || errors.Is(u.cause, syscall.ENOENT) || errors.Is(u.cause, syscall.ECONNRESET)
}

// connect returns a connection to the route's service: a kept one if fresh is
// false and there is one, else a new one to the first endpoint that takes it.
func (e *Engine) connect(ctx context.Context, r *route, fresh bool, p party) (*upConn, error) {
	if !fresh {
		for _, to := range r.pools {
			if u := to.take(); u != nil {
				return u, nil
			}
		}
	}
	u, err := r.dial(ctx)
	if err == nil {
		return u, nil
	}
	if err.cause != nil && err.refused() {
		return e.await(ctx, r, err, p)
	}
	return nil, err
}

// dial makes a new connection to the first endpoint that takes it. The error is
// that of the first that does not.
func (r *route) dial(ctx context.Context) (*upConn, *upError) {
	var first *upError
	for _, to := range r.pools {
		u, err := to.dial(ctx)
		if err == nil {
			return u, nil
		}
		if first == nil {
			first = &upError{to.to, "connect to", err}
		}
	}
	if first == nil {
		return nil, &upError{what: "it listens on no address that lodge knows of"}
	}
	return nil, first
}

// redialEvery is how often a service that refuses is tried again.
const redialEvery = 50 * time.Millisecond

// await is for a service that refuses though it is ready: it has ended or moved
// a moment ago, and the table that says so is under way, or it listens again at
// once. It returns errMoved when the table has changed, and the cause if nothing
// does.
func (e *Engine) await(ctx context.Context, r *route, cause *upError, p party) (*upConn, error) {
	s := e.snap.Load()
	if s.byID[r.ID] != r { // another table is there already
		return nil, errMoved
	}
	if e.cfg.Refused != nil {
		e.cfg.Refused(r.ID)
	}
	wait := time.NewTimer(e.lim.RefuseTime)
	defer wait.Stop()
	again := time.NewTicker(redialEvery)
	defer again.Stop()
	for {
		select {
		case <-s.changed:
			return nil, errMoved
		case <-again.C:
			if u, err := r.dial(ctx); err == nil {
				return u, nil
			}
		case <-wait.C:
			return nil, cause
		case <-p.goneChan():
			return nil, cause
		case <-ctx.Done():
			return nil, cause
		}
	}
}

// errMoved asks for another decision: the table has changed meanwhile.
var errMoved = errors.New("the service has moved")

// party is one who has a request carried.
type party interface {
	// use is told of the connection that is about to be used, so that it can be
	// closed when the client goes, and of nil when it is closed. It says false
	// if the client has gone.
	use(u *upConn) bool
	// gone is closed when the client goes; nil: the context ends then.
	goneChan() <-chan struct{}
	// upload begins to send the body, if one is to follow the head.
	upload(u *upConn)
	// alone is not nil for the only client that there is.
	alone() *solo
}

// exchange sends a head, with whatever follows it in the same write, and reads
// the first head of the answer. body: more is to be sent while the answer may
// come.
//
// A service may close a kept connection just when it is used, and one that
// ends closes those that it has not accepted yet. If nothing was read and the
// request may be sent twice, a new connection is tried: any number of times
// after a kept one, a few times after a new one, since it may be the request
// itself that ends the service.
func (e *Engine) exchange(ctx context.Context, r *route, f *facts, head []byte, body bool, p party) (*upConn, error) {
	replay := !body && f.replayable()
	fresh := false
	for {
		u, err := e.connect(ctx, r, fresh, p)
		if err != nil {
			return nil, err
		}
		if !p.use(u) {
			u.close()
			return nil, context.Canceled
		}
		what := "send to"
		if err = u.send(head, !body, p.alone()); err == nil {
			if body {
				p.upload(u)
			}
			what = "read the answer of"
			if err = u.readHead(); err == nil {
				return u, nil
			}
		}
		again := err == errStale || replay && u.br.Buffered() == 0 && closed(err) && (u.reused || f.lost < maxLost)
		if !u.reused {
			f.lost++
		}
		p.use(nil)
		to := u.pool
		u.close()
		if !again {
			return nil, &upError{to.to, what, err}
		}
		if err != errStale {
			to.dropIdle()
			fresh = true
		}
	}
}

// maxLost is how often a request is sent again after a new connection was
// closed without an answer.
const maxLost = 3

// closed reports whether an error means that the other side has closed.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
