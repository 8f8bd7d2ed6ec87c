package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/pages"
	"lodge/internal/proxy/upstream"
)

// generalCall is a request on the general path.
type generalCall struct {
	e        *Engine
	accepted *accepted
	in       *http.Request
	w        http.ResponseWriter
	ctx      context.Context // of in
	req      http1.Request
	msg      message
	sink     responseSink // of the answer's body
	inline   []byte       // a short body: see inlineSize
	stop     func() bool  // takes back what use has arranged
}

// use is sender's: it closes a connection to a service when the client goes.
func (x *generalCall) use(u *upstream.Conn) bool {
	if u == nil {
		x.stop()
		return true
	}
	x.stop = context.AfterFunc(x.ctx, u.Abort)
	return true
}

// goneChan is sender's: none, since the context ends.
func (x *generalCall) goneChan() <-chan struct{} { return nil }

// unadoptable returns the page for a head that net/http took and that is refused.
func unadoptable(err error) *pages.Page {
	status := http.StatusBadRequest
	if errors.Is(err, http1.ErrFields) {
		status = http.StatusRequestHeaderFieldsTooLarge
	}
	return pages.BadRequest(status, err.Error())
}

// answer writes a page.
func (x *generalCall) answer(p *pages.Page) {
	if p.Status == pages.StatusGone {
		panic(http.ErrAbortHandler)
	}
	h := x.w.Header()
	p.Headers(h.Set)
	if x.req.Minor == 2 && x.req.GRPC() {
		p.GRPC(h.Set)
		x.w.WriteHeader(http.StatusOK)
		return
	}
	ctype, body := p.Render(x.req.Accept)
	h.Set("Content-Type", ctype)
	h.Set("Content-Length", itoa(len(body)))
	x.w.WriteHeader(p.Status)
	x.w.Write(body) // a client that does not take it has gone
}

// carry takes the request to a service and its answer to the client. An error
// means that nothing was sent to the client yet.
func (x *generalCall) carry(rt *route) error {
	rt.use.begin()
	defer func() { rt.use.end(x.e.now.Load()) }() // also when it panics, to abort
	if x.req.Minor < 2 && x.req.Upgrade == nil {
		// What keepTime does on the fast path. HTTP/2 has its own ways, and streams
		// that are silent for long with good reason.
		rc, w, body := http.NewResponseController(x.w), x.w, x.in.Body
		x.w = &patientWriter{w, rc, x.e.lim.StallTime}
		if x.req.HasBody {
			x.in.Body = &patientBody{body, rc, x.e.lim.StallTime}
		}
		defer func() {
			x.w, x.in.Body = w, body
			rc.SetWriteDeadline(time.Time{})
		}()
	}
	if rt.byTransport(&x.req) {
		return x.carryByTransport(rt)
	}
	return x.carryByHTTP1(rt)
}

// inlineSize is the longest body that is read before the request is sent, in
// bytes: all of it goes out with the head, so that it can be sent again.
const inlineSize = 2 << 10

// carryByHTTP1 is carry for a service that speaks HTTP/1.
func (x *generalCall) carryByHTTP1(rt *route) error {
	scratch := x.e.buffers.Scratch()
	defer x.e.buffers.PutScratch(scratch)
	head := http1.AppendRequest((*scratch)[:0], &x.req, &x.accepted.client, rt.target())
	var body *upload
	switch {
	case !x.req.HasBody:
	case x.req.Length > 0 && x.req.Length <= inlineSize:
		if x.inline == nil {
			x.inline = make([]byte, x.req.Length)
			if _, err := io.ReadFull(x.in.Body, x.inline); err != nil {
				panic(http.ErrAbortHandler) // the client has gone
			}
		}
		head = append(head, x.inline...)
	default:
		body = newUpload(&netBody{from: x.in.Body, trailer: &x.in.Trailer}, x.req.Chunked, &x.e.buffers, x.cancelRead)
		defer body.stop()
	}
	*scratch = head
	x.msg.head, x.msg.body, x.msg.replay = head, body, x.req.Replayable()
	u, err := x.e.roundTrip(x.ctx, rt, &x.msg, x)
	if err != nil {
		return err
	}
	if err := finalHead(u, x, x.req.Upgrade != nil); err != nil {
		x.stop()
		u.Close()
		return &upstream.Error{To: u.Endpoint(), What: "read the answer of", Cause: err}
	}
	if u.Head.Status == http.StatusSwitchingProtocols {
		x.stop()
		return x.switchProtocols(rt, u)
	}
	u.Head.RewriteLocation(&x.req, rt.target())
	length := u.Head.BodyLength(x.req.Method)
	u.Body.Begin(&u.Reader, length)
	err = x.relay(&u.Head, &u.Body, length == 0, u)
	if x.stop() && err == nil && u.Head.Reusable && length != http1.ToEndLength && (body == nil || body.ended()) {
		u.Keep()
	} else {
		u.Close()
	}
	if err != nil {
		panic(http.ErrAbortHandler) // nothing else tells the client that this is not all
	}
	return nil
}

// cancelRead ends a Read of the client's body.
func (x *generalCall) cancelRead() {
	if err := http.NewResponseController(x.w).SetReadDeadline(time.Unix(1, 0)); err != nil {
		x.in.Body.Close()
	}
}

// carryByTransport is carry for a service that speaks HTTP/2 or TLS.
func (x *generalCall) carryByTransport(rt *route) error {
	// What follows 1xx answers is another goroutine's until RoundTrip returns.
	ctx := httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, fields textproto.MIMEHeader) error {
		var head http1.Response
		head.Adopt(code, http.Header(fields), -1, nil)
		return x.interim(&head)
	}})
	host := rt.Host
	if host == "" {
		host = string(x.req.Host)
	}
	u := *x.in.URL
	u.User, u.Fragment = nil, ""
	out := &http.Request{
		Method: x.in.Method, Host: host, URL: &u, Header: x.req.Header(&x.accepted.client, rt.target()),
		ContentLength: x.in.ContentLength, Trailer: x.in.Trailer,
	}
	if x.req.HasBody {
		out.Body = x.in.Body
	}
	res, err := x.e.transport.RoundTrip(out.WithContext(ctx), rt.Endpoints)
	if err != nil {
		return x.moved(ctx, rt, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return &upstream.Error{To: rt.Endpoints[0], What: "read the answer of", Cause: errSwitched}
	}
	var head http1.Response
	head.Adopt(res.StatusCode, res.Header, res.ContentLength, res.Trailer)
	head.RewriteLocation(&x.req, rt.target())
	if err := x.relay(&head, &netBody{from: res.Body, trailer: &res.Trailer}, res.Body == http.NoBody, nil); err != nil {
		panic(http.ErrAbortHandler) // nothing else tells the client that this is not all
	}
	return nil
}

// moved gives a service that refuses a little time to be known to have moved.
func (x *generalCall) moved(ctx context.Context, rt *route, err error) error {
	var up *upstream.Error
	if errors.As(err, &up) && up.Refused() {
		u, err := x.e.redial(ctx, rt, up, x)
		if err != nil {
			return err
		}
		u.Close() // it listens again: the transport makes a connection of its own
		return errMoved
	}
	return err
}
