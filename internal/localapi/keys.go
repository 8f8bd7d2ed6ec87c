package localapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/unixhttp"
)

// KeysTarget is where the daemon tells the keys of its own TLS connections.
const KeysTarget = "/v1/keys"

// Keys are the keys of the daemon's own TLS connections, as lines of a key log
// (RFC 9850), from when they were asked for: [OpenKeys]. It is for one goroutine.
type Keys struct {
	conn net.Conn
	raw  syscall.RawConn
	rest []byte // came with the head of the answer
}

// OpenKeys asks the daemon for the keys of its own TLS connections: those to the names that
// it serves, and those that it makes to services. The caller closes them.
func OpenKeys(ctx context.Context, c *Client) (*Keys, error) {
	ctx, done := c.guard(ctx)
	defer done()
	k, err := openKeys(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("read keys of the daemon: %w", err)
	}
	return k, nil
}

func openKeys(ctx context.Context, c *Client) (_ *Keys, err error) {
	conn, err := c.http.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
		}
	}()
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	k := &Keys{conn: conn}
	if k.raw, err = sc.SyscallConn(); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	resp, err := unixhttp.Ask(conn, in, unixhttp.Request{Method: unixhttp.Get, Target: KeysTarget})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != unixhttp.StatusOK {
		return nil, refusal(resp)
	}
	if n := in.Buffered(); n > 0 {
		k.rest, _ = in.Peek(n) // it is there
		k.rest = append([]byte(nil), k.rest...)
	}
	return k, nil
}

// Read returns what has come, and does not wait: 0 and no error where there is nothing.
// What the daemon did before it sent a packet is there when that packet is seen. io.EOF
// says that the daemon has ended, or let go of a reader that was too slow.
func (k *Keys) Read(b []byte) (n int, err error) {
	if len(k.rest) > 0 {
		n = copy(b, k.rest)
		k.rest = k.rest[n:]
		return n, nil
	}
	rerr := k.raw.Read(func(fd uintptr) bool {
		for {
			if n, err = unix.Read(int(fd), b); !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	switch {
	case rerr != nil:
		return 0, rerr
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Close ends the reading.
func (k *Keys) Close() error { return k.conn.Close() }
