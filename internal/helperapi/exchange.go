package helperapi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrGone is the error of every call after the helper has ended, or has closed
// the connection.
var ErrGone = errors.New("the helper has gone")

// Code says what kind of error the helper answered, where a caller may do
// something about it.
type Code string

// The codes of errors.
const (
	// HomeTaken: somebody else has that address. Another one may be free.
	HomeTaken Code = "home_taken"
	// TooManyHomes: the user has as many homes as one may have.
	TooManyHomes Code = "too_many_homes"
	// NotYours: somebody else has that name or port.
	NotYours Code = "not_yours"
)

// Error is what the helper answered: that it could not do something.
type Error struct {
	// Op is what was asked for, such as "create home 127.83.20.7".
	Op string
	// Cause is the helper's one line.
	Cause string
	// Code is empty for most errors.
	Code Code
	// Owner is the user who has what was asked for, where Code is NotYours or
	// HomeTaken and that is known.
	Owner *uint32
}

func (e *Error) Error() string { return e.Op + ": " + e.Cause }

// Taken reports whether an address could not be a home because somebody else
// has it.
func Taken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == HomeTaken
}

// pending is a call whose reply has not come.
type pending struct {
	answers chan answer // holds one, so that nobody waits for the caller
	// creates is the home that was asked for, if one was.
	creates netip.Addr
	// Both are guarded by the client's mu. undone is closed when a home that came
	// too late is removed again.
	givenUp bool
	undone  chan struct{}
}

type answer struct {
	rep   *Reply
	files []*os.File
	err   error
}

// call is exchange for calls whose errors come without a reply.
func (c *Client) call(ctx context.Context, op string, req Request) (*Reply, []*os.File, error) {
	rep, files, err := c.exchange(ctx, op, req)
	if err != nil {
		return nil, nil, err
	}
	return rep, files, nil
}

// exchange sends one request and waits for its reply. op names it in errors.
//
// When ctx ends first the connection stays as it is: the reply is recognised by
// its number when it comes, its descriptors are closed, and a home that it
// brings is removed. With an Error there is the reply as well.
func (c *Client) exchange(ctx context.Context, op string, req Request) (*Reply, []*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	ctx, done := c.guard(ctx)
	defer done()
	p := &pending{answers: make(chan answer, 1), creates: req.IP4}
	if req.Op != OpCreateHome {
		p.creates = netip.Addr{}
	}
	c.mu.Lock()
	if c.gone != nil {
		c.mu.Unlock()
		return nil, nil, fmt.Errorf("%s: ask helper: %w", op, c.gone)
	}
	c.last++
	req.ID = c.last
	c.calls[req.ID] = p
	c.mu.Unlock()
	if err := c.write(ctx, req); err != nil {
		c.mu.Lock()
		delete(c.calls, req.ID)
		c.mu.Unlock()
		return nil, nil, fmt.Errorf("%s: ask helper: %w", op, err)
	}
	select {
	case a := <-p.answers:
		return a.result(op)
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case a := <-p.answers: // it came at the same time
		return a.result(op)
	default:
	}
	p.givenUp = true
	if p.creates.IsValid() {
		p.undone = make(chan struct{})
		c.undoing[p.creates] = p.undone
	}
	return nil, nil, fmt.Errorf("%s: ask helper: %w", op, context.Cause(ctx))
}

func (a answer) result(op string) (*Reply, []*os.File, error) {
	if a.err != nil {
		return nil, nil, fmt.Errorf("%s: ask helper: %w", op, a.err)
	}
	if err := a.rep.Err(op); err != nil {
		return a.rep, nil, errors.Join(err, CloseFiles(a.files))
	}
	return a.rep, a.files, nil
}

// write sends a request, or nothing of it: a packet is written whole.
func (c *Client) write(ctx context.Context, req Request) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.ended:
		return c.Err()
	}
	defer func() { <-c.writing }()
	if err := c.conn.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.conn.SetWriteDeadline(time.Unix(1, 0))
		close(expired)
	})
	err := Send(c.conn, req, nil)
	if !stop() {
		<-expired // so that it cannot hit the next request
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.Err() != nil:
		return c.Err()
	case ClosedByPeer(err):
		<-c.ended // it may have said why
		return c.Err()
	}
	return err
}

// read hands replies to their callers until the connection ends.
func (c *Client) read() {
	defer close(c.ended)
	reset := false
	for {
		rep := &Reply{}
		files, err := Receive(c.conn, rep)
		if errors.Is(err, unix.ECONNRESET) && !reset {
			reset = true // the kernel tells this before the last packet
			continue
		}
		if err == nil && rep.ID == 0 && rep.Error != "" {
			err = errors.Join(errors.New(rep.Error), CloseFiles(files)) // it serves us no more
		}
		if err != nil {
			c.end(err)
			return
		}
		c.deliver(rep, files)
	}
}

func (c *Client) deliver(rep *Reply, files []*os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.calls[rep.ID]
	delete(c.calls, rep.ID)
	if p != nil && !p.givenUp {
		p.answers <- answer{rep: rep, files: files}
		return
	}
	_ = CloseFiles(files) // nobody waits for them
	if p != nil && p.creates.IsValid() {
		c.background.Go(func() { c.undo(p, rep.Home) })
	}
}

// undo removes a home that was made for nobody.
func (c *Client) undo(p *pending, home *HomeInfo) {
	if home != nil {
		// With the helper gone, so is the home: nothing runs in it.
		_ = c.RemoveHome(context.Background(), home.Path, true)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(p.undone)
	if c.undoing[p.creates] == p.undone {
		delete(c.undoing, p.creates)
	}
}

// undone waits until no home of a call that was given up is at ip4.
func (c *Client) undone(ctx context.Context, ip4 netip.Addr) error {
	c.mu.Lock()
	ch := c.undoing[ip4]
	c.mu.Unlock()
	if ch == nil {
		return nil
	}
	select {
	case <-ch:
		return nil
	case <-c.ended:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end tells everybody who waits that no reply comes any more.
func (c *Client) end(err error) {
	_ = c.conn.Close() // it may be only the other end that is closed
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = fmt.Errorf("%w: %w", ErrGone, err)
	for id, p := range c.calls {
		if !p.givenUp {
			p.answers <- answer{err: c.gone}
		}
		delete(c.calls, id)
	}
}
