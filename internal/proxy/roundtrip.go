package proxy

import (
	"context"
	"errors"
	"time"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/socket"
	"lodge/internal/proxy/upstream"
)

// sender is a client that has a request sent to a service that speaks HTTP/1.
type sender interface {
	// use is told of the connection that is about to be used, so that it can be
	// closed when the client goes, and of nil when it is closed. It returns false
	// if the client has gone.
	use(u *upstream.Conn) bool
	// goneChan is closed when the client goes; nil: the context ends then.
	goneChan() <-chan struct{}
}

// message is a request as it is sent.
type message struct {
	head   []byte           // with whatever follows it in the same write
	body   *upload          // what is to be sent while the answer may come; nil: nothing
	replay bool             // it may be sent twice
	busy   *socket.BusyWait // for its answer; nil: the goroutine gives way
	lost   int              // new connections that were closed without an answer
}

// errMoved asks for another decision: the table has changed meanwhile.
var errMoved = errors.New("the service has moved")

// maxLost is how often a request is sent again after a new connection was
// closed without an answer.
const maxLost = 3

// roundTrip sends a request to a service that speaks HTTP/1, and reads the first
// head of the answer.
//
// A service may close a kept connection just when it is used, and one that
// ends closes those that it has not accepted yet. If nothing was read and the
// request may be sent twice, a new connection is tried: any number of times
// after a kept one, a few times after a new one, since it may be the request
// itself that ends the service.
func (t *router) roundTrip(ctx context.Context, r *route, m *message, by sender) (*upstream.Conn, error) {
	replay := m.body == nil && m.replay
	fresh := false
	for {
		u, err := t.connect(ctx, r, fresh, by)
		if err != nil {
			return nil, err
		}
		if !by.use(u) {
			u.Close()
			return nil, context.Canceled
		}
		what := "send to"
		if err = u.Send(m.head, m.body == nil, m.busy); err == nil {
			if m.body != nil {
				m.body.start(u)
			}
			what = "read the answer of"
			if err = u.ReadHead(); err == nil {
				return u, nil
			}
		}
		again := err == upstream.ErrStale || replay && u.Reader.Buffered() == 0 && upstream.Closed(err) && (u.Reused() || m.lost < maxLost)
		if !u.Reused() {
			m.lost++
		}
		by.use(nil)
		u.Close()
		if !again {
			return nil, &upstream.Error{To: u.Endpoint(), What: what, Cause: err}
		}
		if err != upstream.ErrStale {
			u.DropIdle()
			fresh = true
		}
	}
}

// connect returns a connection to the route's service: a kept one if fresh is
// false and there is one, else a new one to the first endpoint that takes it.
func (t *router) connect(ctx context.Context, r *route, fresh bool, by sender) (*upstream.Conn, error) {
	if !fresh {
		for _, p := range r.pools {
			if u := p.Take(); u != nil {
				return u, nil
			}
		}
	}
	u, err := r.dial(ctx)
	if err == nil {
		return u, nil
	}
	if err.Cause != nil && err.Refused() {
		return t.redial(ctx, r, err, by)
	}
	return nil, err
}

// dial makes a new connection to the first endpoint that takes it. The error is
// that of the first that does not.
func (r *route) dial(ctx context.Context) (*upstream.Conn, *upstream.Error) {
	var first *upstream.Error
	for _, p := range r.pools {
		u, err := p.Dial(ctx)
		if err == nil {
			return u, nil
		}
		if first == nil {
			first = &upstream.Error{To: p.Endpoint(), What: "connect to", Cause: err}
		}
	}
	if first == nil {
		return nil, &upstream.Error{What: "it listens on no address that lodge knows of"}
	}
	return nil, first
}

// redialEvery is how often a service that refuses is tried again.
const redialEvery = 50 * time.Millisecond

// redial is for a service that refuses though it is ready: it has ended or moved
// a moment ago, and the table that says so is under way, or it listens again at
// once. It returns errMoved when the table has changed, and the cause if nothing
// does.
func (t *router) redial(ctx context.Context, r *route, cause *upstream.Error, by sender) (*upstream.Conn, error) {
	s := t.snap.Load()
	if s.byID[r.ID] != r { // another table is there already
		return nil, errMoved
	}
	if t.cfg.Refused != nil {
		t.cfg.Refused(r.ID)
	}
	wait := time.NewTimer(t.lim.RefuseTime)
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
		case <-by.goneChan():
			return nil, cause
		case <-ctx.Done():
			return nil, cause
		}
	}
}

// maxInterim is how many 1xx heads may come before the one that counts.
const maxInterim = 100

// The errors of finalHead.
var (
	errClientGone = errors.New("the client has gone")
	errInterim    = errors.New("it sends 1xx answers and no other")
	errSwitched   = errors.New("it changed to a protocol that was not asked for")
)

// interimSink takes 1xx answers for the client.
type interimSink interface {
	// interim hands one on, unless the client is not to get it. Its error is
	// errClientGone.
	interim(head *http1.Response) error
}

// finalHead hands 1xx answers on until u.Head is the one that counts (RFC 9110,
// section 15.2). A head was read already. upgrade: the request asked for another
// protocol.
func finalHead(u *upstream.Conn, to interimSink, upgrade bool) error {
	for range maxInterim {
		if !u.Head.Interim() {
			if u.Head.Status == 101 && (!upgrade || u.Head.Upgrade == nil) {
				return errSwitched
			}
			return nil
		}
		if err := to.interim(&u.Head); err != nil {
			return err
		}
		if err := u.ReadHead(); err != nil {
			return err
		}
	}
	return errInterim
}
