package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"lodge/internal/daemon/api"
	"lodge/internal/helperapi"
	"lodge/internal/localapi"
)

// liveIdle is how long the live map of sockets is kept when nobody asks.
const liveIdle = 5 * time.Minute

// liveMap is the live map of sockets. It has a helper of its own, so that a
// home never waits for it: the map is there as long as the connection is.
type liveMap struct {
	cfg Config
	// ctx ends what goes on in the background.
	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup

	mu       sync.Mutex // guards what follows; held while the helper is asked
	client   *helperapi.Client
	starting bool
	failed   error // why it did not start, and when that was
	failedAt time.Time
	asked    time.Time
	idle     *time.Timer
	closed   bool
}

func newLiveMap(cfg Config) *liveMap {
	m := &liveMap{cfg: cfg}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// noLiveError says that there is no map to ask, now or here.
type noLiveError struct{ err *localapi.Error }

func (e *noLiveError) Error() string { return e.err.Error() }
func (e *noLiveError) Unwrap() error { return e.err }

func noLive(reason, hint string) error {
	return &noLiveError{&localapi.Error{Message: "ask for the owners of sockets: " + reason, Hint: hint}}
}

// owners returns a file with the table of owners (package owners), which the
// caller closes. The first call starts the map. Root need not wait for that: it
// finds as much in /proc, since what was closed before is in neither.
func (m *liveMap) owners(ctx context.Context) (*os.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, noLive("the daemon ends", "")
	}
	if m.client != nil {
		f, err := m.client.Owners(ctx)
		if err == nil || ctx.Err() != nil {
			m.wind()
			return f, err
		}
		if halted(err) {
			return nil, noLive(err.Error(), "")
		}
		_ = m.client.Close() // it was killed: another one takes over
		m.client = nil
	}
	if m.failed != nil && time.Since(m.failedAt) < helperRetry {
		return nil, m.failed
	}
	if os.Geteuid() == 0 {
		m.startLater()
		return nil, noLive("the live map starts just now", "")
	}
	c, f, err := openLive(ctx, m.cfg)
	if err != nil {
		if ctx.Err() == nil {
			m.failed, m.failedAt = err, time.Now()
		}
		return nil, err
	}
	m.client = c
	m.wind()
	return f, nil
}

// openLive starts the map of a new helper and gives the first answer.
func openLive(ctx context.Context, cfg Config) (*helperapi.Client, *os.File, error) {
	c, err := dialHelper(ctx, cfg)
	if err != nil {
		reason, hint := noHelper(err, os.Geteuid() == 0)
		return nil, nil, noLive("helper: "+reason, hint)
	}
	f, err := c.Owners(ctx)
	var refused *helperapi.Error
	switch {
	case errors.As(err, &refused):
		err = errors.Join(c.Close(), noLive("helper: "+refused.Cause, "lodge doctor"))
	case err != nil:
		err = errors.Join(err, c.Close())
	}
	return c, f, err
}

// startLater starts the map in the background. Call it with mu held.
func (m *liveMap) startLater() {
	if m.starting || m.closed {
		return
	}
	m.starting = true
	m.background.Go(func() {
		c, f, err := openLive(m.ctx, m.cfg)
		if err == nil {
			err = f.Close()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.starting = false
		switch {
		case err != nil:
			m.failed, m.failedAt = err, time.Now()
			if m.ctx.Err() == nil {
				m.cfg.Log.Warn("start live map of sockets", "error", err)
			}
		case m.closed:
			_ = c.Close() // how the helper ended is nothing to the daemon
		default:
			m.client = c
			m.wind()
		}
	})
}

// keep starts the map before somebody asks.
func (m *liveMap) keep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.startLater()
}

// wind winds the clock that ends the map. Call it with mu held.
func (m *liveMap) wind() {
	m.asked = time.Now()
	if m.cfg.LiveMap {
		return // it is kept
	}
	if m.idle == nil || !m.idle.Stop() {
		m.background.Add(1)
	}
	m.idle = time.AfterFunc(m.patience(), m.expire)
}

func (m *liveMap) patience() time.Duration {
	if m.cfg.LiveIdle > 0 {
		return m.cfg.LiveIdle
	}
	return liveIdle
}

// expire ends the map when nobody has asked for long enough.
func (m *liveMap) expire() {
	defer m.background.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil || time.Since(m.asked) < m.patience() {
		return
	}
	wakeToEnd(m.client)
	if err := m.client.Close(); err != nil {
		m.cfg.Log.Warn("close helper", "error", err)
	}
	m.client = nil
}

func (m *liveMap) close() error {
	m.cancel()
	m.mu.Lock()
	m.closed = true
	if m.idle != nil && m.idle.Stop() {
		m.background.Done()
	}
	var err error
	if m.client != nil {
		wakeToEnd(m.client)
		err = m.client.Close()
		m.client = nil
	}
	m.mu.Unlock()
	m.background.Wait()
	return err
}

// getOwners answers with the bytes of package owners. Where there is no map the
// status is 501.
func (d *Daemon) getOwners(w http.ResponseWriter, r *http.Request) {
	f, err := d.live.owners(r.Context())
	var none *noLiveError
	switch {
	case errors.As(err, &none):
		api.Refuse(w, http.StatusNotImplemented, err)
		return
	case err != nil:
		api.Refuse(w, http.StatusConflict, err)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		api.Refuse(w, http.StatusConflict, fmt.Errorf("read the helper's answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	_, _ = io.Copy(w, io.NewSectionReader(f, 0, st.Size())) // the client may be gone
}
