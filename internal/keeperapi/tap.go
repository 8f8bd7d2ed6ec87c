package keeperapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// OpTap is the operation that taps the connections to services of the home.
const OpTap = "tap"

// ErrNoTap says that the keeper is one of an older lodge, which cannot tap.
var ErrNoTap = errors.New("the keeper is of a lodge that cannot tap")

// Tap returns a socket from which the frames of package feed are read: what connections
// to services of the home carry that are made inside from now on. The tap ends when the
// socket is closed for writing; what is still read then ends with the counts.
func Tap(ctx context.Context, c Client) (*net.UnixConn, error) {
	w, err := c.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	ctx, done := c.guard(ctx, w)
	defer done()
	stop := context.AfterFunc(ctx, func() { _ = w.Conn.Close() })
	defer stop()
	var r Reply
	var files []*os.File
	if err = w.Write(Request{Op: OpTap}); err == nil {
		files, err = w.Read(&r)
	}
	if err != nil {
		return nil, askError(ctx, err)
	}
	defer CloseAll(files)
	switch {
	case r.Error != nil && unknownOp(r.Error, OpTap):
		return nil, ErrNoTap
	case r.Error != nil:
		return nil, r.Error
	case !r.Feed || len(files) != 1:
		return nil, fmt.Errorf("ask keeper: %w", ErrGone)
	}
	conn, err := net.FileConn(files[0])
	if err != nil {
		return nil, fmt.Errorf("tap: %w", err)
	}
	feed, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("tap: no Unix socket"), conn.Close())
	}
	return feed, nil
}
