package helperapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// CallsUnderWay is how many calls a connection may have under way, those
// included that were given up and not answered. A client waits before it begins
// one more.
const CallsUnderWay = 64

// mux makes many calls at once on one connection.
type mux struct {
	conn *net.UnixConn
	// guard makes the context of a call end when the helper's process does not
	// run. done is called when the call is over.
	guard func(ctx context.Context) (guarded context.Context, done func())

	// slots holds a token for each call under way.
	slots chan struct{}
	// writing holds a token while a request is written.
	writing chan struct{}
	// ended is closed when no reply comes any more.
	ended chan struct{}
	// background waits for the goroutine that reads, and for those that cancel
	// and undo. It grows only while gone is nil or by a goroutine of its own.
	background sync.WaitGroup

	mu    sync.Mutex // guards what follows
	last  uint64
	calls map[uint64]*pending
	gone  error // why no reply comes any more
	// unsettled has, by key, the last call that was given up: the channel is
	// closed when the helper has answered it and what it brought is undone.
	unsettled map[string]chan struct{}
}

func newMux(conn *net.UnixConn) *mux {
	return &mux{
		conn: conn, slots: make(chan struct{}, CallsUnderWay), writing: make(chan struct{}, 1), ended: make(chan struct{}),
		calls: map[uint64]*pending{}, unsettled: map[string]chan struct{}{},
	}
}

// call is one operation to be done.
type call struct {
	// what names it in errors, such as "create home 127.83.20.7".
	what string
	op   string
	args any
	// key is what the call makes, or "". A call waits until what an earlier call
	// of the same key made, and was given up, is undone.
	key string
	// undo is called with a reply that brought something for a call that was given
	// up.
	undo func(*Reply)
	// file goes with the request, and stays the caller's; nil: none.
	file *os.File
}

// pending is a call whose reply has not come.
type pending struct {
	call
	answers chan answer // holds one, so that a reply does not wait for its caller
	// Both are guarded by the mux's mu. settled is closed when what the call
	// brought too late is undone.
	givenUp bool
	settled chan struct{}
}

type answer struct {
	rep   *Reply
	grant *Grant
	err   error
}

// exchange sends one request and waits for its reply, whose descriptors the
// caller takes or closes. An error that the helper answers is an [*Error].
//
// When ctx ends first the helper is told, and the connection stays as it is:
// the reply is recognized by its number when it comes, its descriptors are
// closed, and what it brings is undone.
func (m *mux) exchange(ctx context.Context, c call) (*Reply, *Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
	}
	ctx, done := m.guard(ctx)
	defer done()
	rep, g, err := m.ask(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: ask helper: %w", c.what, err)
	}
	if err := rep.Err(c.what); err != nil {
		return nil, nil, errors.Join(err, g.Close())
	}
	return rep, g, nil
}

func (m *mux) ask(ctx context.Context, c call) (*Reply, *Grant, error) {
	req := &Request{Op: c.op, File: c.file}
	if c.args != nil {
		b, err := json.Marshal(c.args)
		if err != nil {
			return nil, nil, err
		}
		req.Args = b
	}
	p, err := m.begin(ctx, c, req)
	if err != nil {
		return nil, nil, err
	}
	if err := m.write(ctx, req); err != nil {
		m.forget(req.ID)
		return nil, nil, err
	}
	select {
	case a := <-p.answers:
		return a.rep, a.grant, a.err
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case a := <-p.answers: // it came at the same time
		return a.rep, a.grant, a.err
	default:
	}
	p.givenUp = true
	if c.key != "" {
		p.settled = make(chan struct{})
		m.unsettled[c.key] = p.settled
	}
	// No reply has come, so gone is nil.
	m.background.Go(func() { _ = m.write(context.Background(), &Request{ID: req.ID, Op: OpCancel}) })
	return nil, nil, context.Cause(ctx)
}

// begin waits for what an earlier call of the key has left and for a free slot,
// and gives the request its number.
func (m *mux) begin(ctx context.Context, c call, req *Request) (*pending, error) {
	m.mu.Lock()
	earlier := m.unsettled[c.key]
	m.mu.Unlock()
	if earlier != nil {
		select {
		case <-earlier:
		case <-m.ended:
			return nil, m.err()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	select {
	case m.slots <- struct{}{}:
	case <-m.ended:
		return nil, m.err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone != nil {
		<-m.slots
		return nil, m.gone
	}
	m.last++
	req.ID = m.last
	p := &pending{call: c, answers: make(chan answer, 1)}
	m.calls[req.ID] = p
	return p, nil
}

// forget undoes begin for a request that was not written.
func (m *mux) forget(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls[id] != nil {
		delete(m.calls, id)
		<-m.slots
	}
}

// write sends a request, or nothing of it: a packet is written whole.
func (m *mux) write(ctx context.Context, req *Request) error {
	select {
	case m.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.ended:
		return m.err()
	}
	defer func() { <-m.writing }()
	if err := m.conn.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = m.conn.SetWriteDeadline(time.Unix(1, 0))
		close(expired)
	})
	err := SendRequest(m.conn, req)
	if !stop() {
		<-expired // so that it cannot hit the next request
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case m.err() != nil:
		return m.err()
	case ClosedByPeer(err):
		<-m.ended // the helper may have said why
		return m.err()
	}
	return err
}

// read hands replies to their callers until the connection ends.
func (m *mux) read() {
	defer close(m.ended)
	reset := false
	for {
		rep, g, err := ReceiveReply(m.conn)
		if errors.Is(err, unix.ECONNRESET) && !reset {
			reset = true // the kernel tells this before the last packet
			continue
		}
		if err == nil && rep.ID == 0 && rep.Error != "" {
			err = errors.Join(errors.New(rep.Error), g.Close()) // it serves us no more
		}
		if err != nil {
			m.end(err)
			return
		}
		m.deliver(rep, g)
	}
}

func (m *mux) deliver(rep *Reply, g *Grant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.calls[rep.ID]
	if p != nil {
		delete(m.calls, rep.ID)
		<-m.slots
	}
	if p != nil && !p.givenUp {
		p.answers <- answer{rep: rep, grant: g}
		return
	}
	_ = g.Close() // the caller has gone
	if p != nil && p.settled != nil {
		m.background.Go(func() { m.settle(p, rep) })
	}
}

// settle undoes what was made for a call that was given up.
func (m *mux) settle(p *pending, rep *Reply) {
	if rep.Error == "" && p.undo != nil {
		p.undo(rep)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	close(p.settled)
	if m.unsettled[p.key] == p.settled {
		delete(m.unsettled, p.key)
	}
}

// end answers all calls that no reply comes any more.
func (m *mux) end(err error) {
	_ = m.conn.Close() // it may be only the other end that is closed
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = fmt.Errorf("%w: %w", ErrGone, err)
	for id, p := range m.calls {
		if !p.givenUp {
			p.answers <- answer{err: m.gone}
		}
		delete(m.calls, id)
		<-m.slots
	}
}

// err returns why no reply comes any more, or nil.
func (m *mux) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone
}
