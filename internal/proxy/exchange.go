package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// exchange is a request that came by net/http.
type exchange struct {
	facts
	nameBuf [maxHost]byte
	low     *lowConn
	fields  []headField
	inline  []byte      // a short body: see inlineSize
	body    *sender     // a longer one
	stop    func() bool // takes back what use has arranged
	ctx     context.Context
}

// use closes a connection to a service when the client goes.
func (x *exchange) use(u *upConn) bool {
	if u == nil {
		x.stop()
		return true
	}
	x.stop = context.AfterFunc(x.ctx, func() { u.c.Close() })
	return true
}

// goneChan is none: the context ends.
func (x *exchange) goneChan() <-chan struct{} { return nil }

// alone is nil: on this road there are many at once.
func (x *exchange) alone() *solo { return nil }

// upload begins to send the body.
func (x *exchange) upload(u *upConn) { x.body.start(u) }

// newExchange fills the facts and checks them: net/http has read the head and
// its framing, but what HTTP/2 allows in a path or a field may be none in
// HTTP/1 (RFC 9113, section 10.3).
func newExchange(r *http.Request, low *lowConn, maxFields int) (*exchange, *page) {
	x := &exchange{low: low}
	x.facts.reset(&x.nameBuf)
	x.tls = low.client.tls
	x.minor = r.ProtoMinor
	if r.ProtoMajor == 2 {
		x.minor = 2
	}
	x.method, x.target = bytesOf(r.Method), bytesOf(r.RequestURI)
	if !httpguts.ValidHeaderFieldName(r.Method) { // a method is a token too; net/http checks none of HTTP/2's
		return x, badRequest(http.StatusBadRequest, "its method is malformed")
	}
	for k, vv := range r.Header {
		for _, v := range vv {
			if !validField(bytesOf(k), bytesOf(v)) {
				return x, badRequest(http.StatusBadRequest, "a header field that is malformed")
			}
			h := headField{bytesOf(k), bytesOf(v), fieldOf(bytesOf(k))}
			x.fields = append(x.fields, h)
			x.add(h)
		}
	}
	if len(x.fields) > maxFields {
		return x, badRequest(http.StatusRequestHeaderFieldsTooLarge, errFields.Error())
	}
	// These net/http has taken out of the header, or has decided on. It answers
	// Expect when the body is read.
	x.hosts, x.host, x.codings, x.expect = 1, bytesOf(r.Host), 0, false
	x.length, x.chunked, x.lengths = r.ContentLength, r.ContentLength < 0, min(x.lengths, 1)
	if x.length > 0 {
		x.lengths = 1
	}
	if len(r.Trailer) > 0 {
		names := make([]string, 0, len(r.Trailer))
		for k := range r.Trailer {
			names = append(names, k)
		}
		x.trailer = []byte(strings.Join(names, ", "))
	}
	if err := x.finish(); err != nil {
		return x, badRequest(http.StatusBadRequest, err.Error())
	}
	if x.minor == 2 {
		x.upgrade = nil
	}
	if !x.originForm() {
		return x, badRequest(http.StatusBadRequest, "its target is no path")
	}
	return x, nil
}

// answer writes a page.
func (x *exchange) answer(w http.ResponseWriter, p *page) {
	if p.status == 499 {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	p.headers(h.Set)
	if x.minor == 2 && x.grpc() {
		p.grpc(h.Set)
		w.WriteHeader(http.StatusOK)
		return
	}
	ctype, body := p.render(x.accept)
	h.Set("Content-Type", ctype)
	h.Set("Content-Length", itoa(len(body)))
	w.WriteHeader(p.status)
	w.Write(body) // a client that does not take it has gone
}

// inlineSize is the longest body that is read before the request is sent, in
// bytes.
const inlineSize = 2 << 10

// carry takes the request to a service that speaks HTTP/1 in the clear, and
// its answer to the client. An error means that nothing was sent to the client
// yet.
func (x *exchange) carry(e *Engine, w http.ResponseWriter, r *http.Request, rt *route) error {
	scratch := e.buffers.collected()
	defer e.buffers.putCollected(scratch)
	head := startHead((*scratch)[:0], &x.facts, rt.Host)
	for _, h := range x.fields {
		head = addField(head, &x.facts, h, rt.Origin)
	}
	head = endHead(head, &x.facts, &x.low.client)
	switch {
	case !x.hasBody:
	case x.length > 0 && x.length <= inlineSize:
		// All of it in the head's write, so that it can be sent again.
		if x.inline == nil {
			x.inline = make([]byte, x.length)
			if _, err := io.ReadFull(r.Body, x.inline); err != nil {
				panic(http.ErrAbortHandler) // the client has gone
			}
		}
		head = append(head, x.inline...)
	default:
		x.body = &sender{e: e, r: r, chunked: x.chunked, done: make(chan struct{})}
		defer x.body.stop(w)
	}
	*scratch = head
	x.ctx = r.Context()
	u, err := e.exchange(x.ctx, rt, &x.facts, head, x.body != nil, x)
	if err != nil {
		return err
	}
	a, err := x.interim(w, u)
	if err == nil && a.status == http.StatusSwitchingProtocols {
		err = errors.New("it changed to a protocol that was not asked for")
	}
	if err != nil {
		x.stop()
		u.close()
		return &upError{u.pool.to, "read the answer of", err}
	}
	u.outward(rt.Service, &x.facts)
	whole := x.relay(e, w, u, &a)
	kept := x.stop() && whole && a.reusable && (x.body == nil || x.body.ended())
	if kept {
		u.pool.put(u)
	} else {
		u.close()
	}
	if !whole {
		panic(http.ErrAbortHandler) // nothing else tells the client that this is not all
	}
	return nil
}

// interim is h1conn's: it hands 1xx answers on.
func (x *exchange) interim(w http.ResponseWriter, u *upConn) (answer, error) {
	for range maxInterim {
		status := u.head.StatusCode()
		if status >= 200 || status == http.StatusSwitchingProtocols {
			return u.look(x.method), nil
		}
		if status != http.StatusContinue { // net/http has sent that
			h := w.Header()
			copyHead(h, u, nil)
			w.WriteHeader(status)
			clear(h)
		}
		if err := u.readHead(); err != nil {
			return answer{}, err
		}
	}
	return answer{}, errors.New("it sends 1xx answers and no other")
}

func copyHead(h http.Header, u *upConn, connection [][]byte) {
	for _, f := range u.fields {
		if !endsHere(f, connection) {
			h.Add(string(f.k), string(f.v))
		}
	}
}

// relay writes the answer as it comes, and reports whether all of it was read and
// written.
func (x *exchange) relay(e *Engine, w http.ResponseWriter, u *upConn, a *answer) bool {
	h := w.Header()
	copyHead(h, u, a.connection)
	if n := u.head.ContentLength(); n >= 0 && a.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(n))
	}
	if a.length == -1 && a.trailer != nil {
		h.Set("Trailer", string(a.trailer))
	}
	if _, ok := h["Date"]; !ok {
		h["Date"] = nil // none of lodge's making
	}
	w.WriteHeader(a.status)
	if a.length == 0 {
		return true
	}
	var src io.Reader
	flush := http.NewResponseController(w).Flush
	block := e.buffers.block()
	defer e.buffers.putBlock(block)
	left := a.length
	if !begins(u.br, a.length == -1) {
		// Servers often write a body right after its head: if it is here by now,
		// both go out together.
		n := 0
		if left > 0 {
			n, _ = readInstant(u.raw, block[:min(left, copySize)]) // an error comes again, below
		}
		if n == 0 && flush() != nil {
			return false
		}
		if n > 0 {
			if _, err := w.Write(block[:n]); err != nil {
				return false
			}
			if left -= int64(n); left == 0 {
				return true
			}
			if flush() != nil {
				return false
			}
		}
	}
	switch a.length {
	case -1:
		src = newChunks(u.br)
	case -2:
		src = u.br
	default:
		src = &io.LimitedReader{R: u.br, N: left}
	}
	for {
		n, err := src.Read(block[:])
		if n > 0 {
			if _, werr := w.Write(block[:n]); werr != nil {
				return false
			}
			if left -= int64(n); left == 0 && a.length > 0 {
				return true // the end of the handler flushes
			}
			if u.br.Buffered() == 0 && err == nil && flush() != nil {
				return false
			}
		}
		if err == nil {
			continue
		}
		if err != io.EOF || a.length > 0 {
			return false
		}
		if a.length == -1 {
			trailer, err := readTrailer(u.br)
			if err != nil {
				return false
			}
			for k, vv := range trailer {
				h[http.TrailerPrefix+k] = vv // announced or not
			}
		}
		return true
	}
}

// sender is upload for a body that net/http reads.
type sender struct {
	e       *Engine
	r       *http.Request
	chunked bool
	begun   bool
	done    chan struct{}
	whole   bool
}

func (b *sender) start(u *upConn) {
	b.begun = true
	go func() { // carry waits for it, by stop
		defer close(b.done)
		err := b.run(u)
		b.whole = err == nil
		if errors.Is(err, errBody) {
			u.c.Close()
		}
	}()
}

func (b *sender) run(u *upConn) error {
	block := b.e.buffers.block()
	defer b.e.buffers.putBlock(block)
	p := piece{block: block[:], chunked: b.chunked}
	for {
		n, err := b.r.Body.Read(p.room())
		if n > 0 {
			if _, err := u.c.Write(p.frame(n)); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			continue
		case err != io.EOF:
			return errBody
		case !b.chunked:
			return nil
		}
		for k, vv := range b.r.Trailer {
			for _, v := range vv {
				if !trailerField(k) || !validField(bytesOf(k), bytesOf(v)) {
					delete(b.r.Trailer, k)
					break
				}
			}
		}
		_, err = u.c.Write(appendTrailer([]byte("0\r\n"), b.r.Trailer))
		return err
	}
}

// ended reports whether all of the body has been sent.
func (b *sender) ended() bool {
	select {
	case <-b.done:
		return b.whole
	default:
		return false
	}
}

// stop ends it, if it began.
func (b *sender) stop(w http.ResponseWriter) {
	if !b.begun {
		return
	}
	select {
	case <-b.done:
		return
	default:
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)); err != nil {
		b.r.Body.Close()
	}
	<-b.done
}
