// Package live has the live map of the machine's sockets, which the daemon's helper
// makes: which process holds which socket, and which had those that are closed. It starts with the
// first question, and ends when there was none for long enough.
package live

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// defaultIdle is how long the live map of sockets is kept when nothing asks.
const defaultIdle = 5 * time.Minute

// Map is the live map of sockets of the daemon's helper. It runs on the same
// connection as everything else, and is there until the daemon ends it or the
// connection ends.
type Map struct {
	options Options
	helper  *helperconn.Conn
	// ctx ends what goes on in the background.
	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup

	mu sync.Mutex // guards what follows; never held while the helper is asked
	// client is the helper whose map runs, or nil. Another one may have taken its
	// place.
	client   *helperapi.Client
	starting bool
	failed   error // why it did not start, and when that was
	failedAt time.Time
	asked    time.Time
	// asking counts the questions under way: the map is not ended meanwhile.
	asking int
	idle   *time.Timer
	closed bool
}

// Options is how long the map is kept, and where errors are logged.
type Options struct {
	// Kept: it is kept until the daemon ends, however long nothing asks.
	Kept bool
	// Idle is how long it is kept otherwise after the last question; zero or less:
	// five minutes.
	Idle time.Duration
	Log  *slog.Logger
}

// New returns the map of a helper. It does not run yet.
func New(helper *helperconn.Conn, o Options) *Map {
	m := &Map{options: o, helper: helper}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// noLiveError reports that there is no map to ask, now or here.
type noLiveError struct{ err *localapi.Error }

func (e *noLiveError) Error() string { return e.err.Error() }
func (e *noLiveError) Unwrap() error { return e.err }

func noLive(reason, hint string) error {
	return &noLiveError{&localapi.Error{Message: "ask for the owners of sockets: " + reason, Hint: hint}}
}

// Owners returns a file with the table of owners (package owners), which the
// caller closes. The first call starts the map. Root need not wait for that: it
// finds as much in /proc, since what was closed before is in neither.
func (m *Map) Owners(ctx context.Context) (*os.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	if err := m.begin(); err != nil {
		return nil, err
	}
	c, f, err := m.ask(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking--
	if err == nil {
		m.runs(c)
		return f, nil
	}
	if m.client != nil {
		m.resetIdleTimer()
	}
	if ctx.Err() != nil {
		return nil, err
	}
	if m.client != nil && m.client.Err() != nil {
		m.client = nil // it was killed: another one takes over
		if os.Geteuid() == 0 {
			m.startLater()
			return nil, noLive("the live map starts just now", "")
		}
	}
	if m.client == nil {
		m.failed, m.failedAt = err, time.Now()
	}
	return nil, err
}

// begin reports whether the map can be asked now, and starts it for root. Where
// the error is nil, asking is one more.
func (m *Map) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return noLive("the daemon ends", "")
	}
	if m.client != nil && m.client.Err() != nil {
		m.client = nil // it was killed: another one takes over
	}
	if m.client == nil {
		if m.failed != nil && time.Since(m.failedAt) < helperconn.Retry {
			return m.failed
		}
		if os.Geteuid() == 0 {
			m.startLater()
			return noLive("the live map starts just now", "")
		}
	}
	m.asking++
	return nil
}

// ask asks the helper, which starts the map where it does not run, and returns
// which helper that was. Where there is no map, the error is a [*noLiveError].
func (m *Map) ask(ctx context.Context) (*helperapi.Client, *os.File, error) {
	var f *os.File
	var used *helperapi.Client
	err := m.helper.Ask(ctx, func(c *helperapi.Client) (err error) {
		used = c
		f, err = c.Owners(ctx)
		return err
	})
	var refused *helperapi.Error
	switch {
	case err == nil || ctx.Err() != nil:
	case stall.Is(err):
		err = noLive(err.Error(), "")
	case used == nil:
		reason, hint := helperconn.Missing(err, os.Geteuid() == 0)
		err = noLive("helper: "+reason, hint)
	case errors.As(err, &refused):
		hint := refused.Hint()
		if hint == "" {
			hint = "lodge doctor"
		}
		err = noLive("helper: "+refused.Cause, hint)
	}
	return used, f, err
}

// runs notes that a helper's map runs, and was asked. The caller holds mu.
func (m *Map) runs(c *helperapi.Client) {
	m.client, m.failed = c, nil
	m.resetIdleTimer()
}

// startLater starts the map in the background. The caller holds mu.
func (m *Map) startLater() {
	if m.starting || m.closed {
		return
	}
	m.starting = true
	m.background.Go(func() {
		c, f, err := m.ask(m.ctx)
		if err == nil {
			err = f.Close()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.starting = false
		switch {
		case m.closed:
		case err != nil:
			m.failed, m.failedAt = err, time.Now()
			m.options.Log.Warn("start live map of sockets", "error", err)
		default:
			m.runs(c)
		}
	})
}

// Start starts the map before it is asked.
func (m *Map) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.startLater()
}

// resetIdleTimer restarts the timer that ends the map. The caller holds mu.
func (m *Map) resetIdleTimer() {
	m.asked = time.Now()
	if m.options.Kept || m.closed {
		return // it is kept, or ends with the daemon
	}
	if m.idle == nil || !m.idle.Stop() {
		m.background.Add(1)
	}
	m.idle = time.AfterFunc(m.patience(), m.expire)
}

func (m *Map) patience() time.Duration {
	if m.options.Idle > 0 {
		return m.options.Idle
	}
	return defaultIdle
}

// expire ends the map when it was not asked for long enough.
func (m *Map) expire() {
	defer m.background.Done()
	m.mu.Lock()
	c := m.client
	if c == nil || m.asking > 0 || time.Since(m.asked) < m.patience() {
		m.mu.Unlock()
		return
	}
	m.client = nil
	m.mu.Unlock()
	if err := c.EndOwners(m.ctx); err != nil && m.ctx.Err() == nil && c.Err() == nil {
		m.options.Log.Warn("end live map of sockets", "error", err)
	}
}

// Close ends what goes on in the background. The map goes with the helper's
// connection, which its owner closes.
func (m *Map) Close() {
	m.cancel()
	m.mu.Lock()
	m.closed, m.client = true, nil
	if m.idle != nil && m.idle.Stop() {
		m.background.Done()
	}
	m.mu.Unlock()
	m.background.Wait()
}
