package unixhttp

import (
	"context"
	"slices"
	"time"
)

// Send sends GET requests for targets on a connection of its own, and does not wait for
// the answers (RFC 9112, section 9.3.2, pipelining): the next calls of [Client.Do] with
// these targets, in this order, read them. ctx is for connecting and sending only. A
// request that is sent is sent once more where the connection breaks.
func (c *Client) Send(ctx context.Context, targets ...string) error {
	on, err := c.dial(ctx)
	if err != nil {
		return err
	}
	var b []byte
	for _, t := range targets {
		b = appendRequest(b, Request{Method: Get, Target: t})
	}
	stop := context.AfterFunc(ctx, func() { _ = on.SetDeadline(time.Unix(1, 0)) })
	_, err = on.Write(b)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = on.Close()
		return err
	}
	on.sent = slices.Clone(targets)
	c.put(on)
	return nil
}

// expects reports whether the connection can have the request: nothing is under way on
// it, or the answer to this request is the next one.
func (on *conn) expects(r Request) bool { return len(on.sent) == 0 || on.sent[0] == r.Target }
