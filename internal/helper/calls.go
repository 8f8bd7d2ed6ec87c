package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// writePatience is how long a client may leave its replies unread.
const writePatience = 5 * time.Second

// errGivenUp is the cause of the end of a call that its client gave up.
var errGivenUp = errors.New("the call was given up")

// call is one request that is under way.
type call struct {
	id     uint64
	rule   policy.Rule
	stop   context.CancelCauseFunc
	turn   *turn
	action action
	// What follows is guarded by the session's mu. begun says that the call is
	// being done, done that it is over and only its reply is left.
	begun, done, givenUp bool
}

// begin starts a call, or answers why not. It does not wait for the call.
func (s *session) begin(ctx context.Context, req *helperapi.Request) {
	op, ok := s.all.operations[req.Op]
	if !ok {
		(&action{file: req.File}).close()
		s.reply(ctx, failed(req.ID, &unknownError{req.Op}), nil)
		return
	}
	do, err := op.decode(req.Args)
	if do.file = req.File; err != nil {
		do.close()
		s.reply(ctx, failed(req.ID, fmt.Errorf("operation %s: %w", req.Op, err)), nil)
		return
	}
	cctx, stop := context.WithCancelCause(ctx)
	c := &call{id: req.ID, rule: op.rule, stop: stop, action: do}
	if err := s.enter(c); err != nil {
		stop(nil)
		do.close()
		s.reply(ctx, failed(req.ID, err), nil)
		return
	}
	// The line is joined here, so that calls stand in it as they came.
	if do.key != nil {
		c.turn = s.all.order.join(do.key(s))
	}
	s.running.Go(func() {
		defer stop(nil)
		s.run(ctx, cctx, c)
	})
}

// enter notes that a call is under way.
func (s *session) enter(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) >= helperapi.CallsUnderWay {
		return &tooManyCallsError{}
	}
	if s.calls[c.id] != nil {
		return fmt.Errorf("request %d: a call with that number is under way", c.id)
	}
	s.calls[c.id] = c
	s.idle(false)
	return nil
}

// leave notes that a call was answered.
func (s *session) leave(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	if len(s.calls) == 0 {
		s.idle(s.isIdle())
	}
}

// run does a call and answers it. cctx ends with ctx, or when the call is given
// up.
func (s *session) run(ctx, cctx context.Context, c *call) {
	defer s.leave(c)
	defer c.action.close()
	out, err := s.do(ctx, cctx, c)
	s.mu.Lock()
	c.done = true
	givenUp := c.givenUp
	s.mu.Unlock()
	if givenUp && err == nil {
		err = errGivenUp
		if out.undo != nil {
			err = errors.Join(err, out.undo())
		}
		err = errors.Join(err, out.grant.Close())
	}
	c.turn.leave()
	if err != nil {
		s.reply(ctx, failed(c.id, err), nil)
	} else {
		s.reply(ctx, out.reply(c.id), out.grant)
	}
	if c.begun {
		// Not before the reply is written: results that wait for their client to
		// read are bounded like calls.
		s.user.release(c.rule.Op)
	}
}

// do waits for a call's turn, and does it.
func (s *session) do(ctx, cctx context.Context, c *call) (outcome, error) {
	if err := c.turn.wait(cctx); err != nil {
		return outcome{}, err
	}
	if err := s.user.acquire(cctx, c.rule.Op); err != nil {
		return outcome{}, err
	}
	s.mu.Lock()
	c.begun = true
	givenUp := c.givenUp
	s.mu.Unlock()
	if givenUp {
		return outcome{}, errGivenUp
	}
	if c.rule.Finishes {
		cctx = ctx
	}
	return c.action.do(cctx, s, c.action.file)
}

// cancel gives up a call. One that is not under way was answered.
func (s *session) cancel(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[id]; c != nil {
		s.giveUp(c)
	}
}

// cancelAll gives up all calls, after their client has gone.
func (s *session) cancelAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		s.giveUp(c)
	}
}

// giveUp ends a call that can be ended. The caller holds mu.
func (s *session) giveUp(c *call) {
	if c.done || c.begun && c.rule.Finishes {
		return
	}
	c.givenUp = true
	c.stop(errGivenUp)
}

// reply answers a call, and closes the descriptors. A client that does not read
// loses its session.
func (s *session) reply(ctx context.Context, rep *helperapi.Reply, g *helperapi.Grant) {
	defer g.Close()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken {
		return
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writePatience))
	if ctx.Err() != nil {
		_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
	}
	err := helperapi.SendReply(s.conn, rep, g)
	if err == nil {
		return
	}
	s.broken = true
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // ends read
	switch {
	case helperapi.ClosedByPeer(err) || ctx.Err() != nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.failure = fmt.Errorf("it has not read its answers for %v", writePatience)
	default:
		s.failure = err
	}
}

func (s *session) isBroken() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.broken
}
