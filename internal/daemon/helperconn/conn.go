// Package helperconn has the daemon's connection to the helper. There is one, for
// everything; it is made when it is first needed, and made again when the helper has
// gone. What is asked of the helper, and what its answers mean, is the callers'.
package helperconn

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
	"lodge/internal/stall"
)

// Retry is how long a missing helper is believed to be missing.
const Retry = 2 * time.Second

// Options is which helper is used.
type Options struct {
	// Program is the path of the helper that a daemon of root starts as its child.
	Program string
	// HostsFile is where that helper keeps the names below .test, or "" for nowhere.
	HostsFile string
}

// args is the command line of a helper that the daemon starts itself.
func (o Options) args() []string {
	if o.HostsFile == "" {
		return nil
	}
	return []string{"--hosts", o.HostsFile}
}

// Conn is the connection. It may be used by several at once.
type Conn struct {
	options Options
	// dialing holds a token while a helper is connected to or started, so that
	// there is one. mu is not held meanwhile.
	dialing chan struct{}

	mu     sync.Mutex // guards what follows; never held while the helper is asked
	client *helperapi.Client
	// unreachable is why the helper is not there, where it is not.
	unreachable error
	asked       time.Time
}

// New returns a connection that is not made yet.
func New(o Options) *Conn { return &Conn{options: o, dialing: make(chan struct{}, 1)} }

// Close ends the connection. A helper that this daemon started ends with it.
func (n *Conn) Close() error {
	n.mu.Lock()
	c := n.client
	n.client = nil
	n.mu.Unlock()
	if c == nil {
		return nil
	}
	wakeToEnd(c)
	return c.Close()
}

// dial returns a helper that answers: as root a child of this daemon, else the
// machine's.
func dial(ctx context.Context, o Options) (c *helperapi.Client, err error) {
	if os.Geteuid() == 0 {
		c, err = helperapi.Spawn(o.Program, o.args()...)
	} else {
		c, err = helperapi.Dial(ctx, helperapi.SystemSocket)
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.Hello(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Client returns the helper that answers now, connected to or started where there was
// none.
func (n *Conn) Client(ctx context.Context) (*helperapi.Client, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case n.dialing <- struct{}{}:
		defer func() { <-n.dialing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	n.mu.Lock()
	c, missing := n.client, n.unreachable
	recent := time.Since(n.asked) < Retry
	n.mu.Unlock()
	if c != nil {
		if c.Err() == nil {
			return c, nil
		}
		n.drop(c) // it was killed: another one takes over
	} else if missing != nil && recent {
		return nil, missing
	}
	c, err := dial(ctx, n.options)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		// The caller has gone, or waited for too long: that says nothing of the
		// next time.
		return nil, err
	}
	n.asked, n.unreachable, n.client = time.Now(), err, c
	return c, err
}

// drop closes a helper that has gone.
func (n *Conn) drop(c *helperapi.Client) {
	n.mu.Lock()
	if n.client == c {
		n.client = nil
	}
	n.mu.Unlock()
	_ = c.Close() // how it ended is nothing to the daemon
}

// Ask calls do with the helper, and once more with another one where the first has
// gone.
func (n *Conn) Ask(ctx context.Context, do func(*helperapi.Client) error) error {
	c, err := n.Client(ctx)
	if err != nil {
		return err
	}
	if err = do(c); !errors.Is(err, helperapi.ErrGone) || ctx.Err() != nil {
		n.heard(err)
		return err
	}
	if c, err = n.Client(ctx); err != nil {
		return err
	}
	err = do(c)
	n.heard(err)
	return err
}

// heard notes whether the helper, which is connected, runs: the connection of one
// that is stopped stands, and its homes are there.
func (n *Conn) heard(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if stall.Is(err) {
		n.asked, n.unreachable = time.Now(), err
	} else if stall.Is(n.unreachable) {
		n.unreachable = nil
	}
}

// Current returns the helper that is connected, or nil. It asks nothing.
func (n *Conn) Current() *helperapi.Client {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.client
}

// State returns what is known of the helper without asking it: whether it is
// connected, and why not.
func (n *Conn) State() (connected bool, missing error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.client != nil && n.client.Err() == nil && n.unreachable == nil, n.unreachable
}

// wakeToEnd makes a helper that this daemon started and that does not run take
// notice of the end of its connection.
func wakeToEnd(c *helperapi.Client) {
	h, ok := stall.Look(c.Pid())
	if !ok {
		return
	}
	sig := unix.SIGCONT
	if h.State != stall.Stopped {
		sig = unix.SIGKILL // its homes go on without it
	}
	_ = unix.Kill(h.PID, sig) // a child that was not waited for: no other process has its number
}
