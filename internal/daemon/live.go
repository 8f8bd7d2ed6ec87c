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

	"lodge/internal/helper"
	"lodge/internal/localapi"
)

// liveIdle is how long the live map of sockets is kept when nobody asks.
const liveIdle = 5 * time.Minute

// liveMap is the live map of sockets. It has a helper of its own, so that a
// home never waits for it: the map is there as long as the connection is.
type liveMap struct {
	cfg Config

	mu     sync.Mutex // guards what follows; held while the helper is asked
	client *helper.Client
	asked  time.Time
	idle   *time.Timer
	closed bool
	// expiring waits for what idle started.
	expiring sync.WaitGroup
}

// owners gives a file with the table of owners (package owners), which the
// caller closes. The first call starts the map.
func (m *liveMap) owners(ctx context.Context) (*os.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.New("ask for the owners of sockets: the daemon ends")
	}
	if m.client != nil {
		f, err := m.ask(ctx)
		var refused *helper.Error
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return f, err
		}
		_ = m.client.Close() // it was killed: another one takes over
		m.client = nil
	}
	c, err := dialHelper(ctx, m.cfg)
	if err != nil {
		reason, hint := noHelper(err, os.Geteuid() == 0)
		return nil, &noLiveError{&localapi.Error{Message: "ask for the owners of sockets: helper: " + reason, Hint: hint}}
	}
	m.client = c
	f, err := m.ask(ctx)
	if err != nil {
		m.client = nil
		return nil, errors.Join(err, c.Close())
	}
	return f, nil
}

// noLiveError says that there is no helper to ask.
type noLiveError struct{ err *localapi.Error }

func (e *noLiveError) Error() string { return e.err.Error() }
func (e *noLiveError) Unwrap() error { return e.err }

// ask asks the helper, and winds the clock. Call it with mu held.
func (m *liveMap) ask(ctx context.Context) (*os.File, error) {
	f, err := m.client.Owners(ctx)
	m.asked = time.Now()
	if m.cfg.LiveMap {
		return f, err // for good
	}
	if m.idle == nil || !m.idle.Stop() {
		m.expiring.Add(1)
	}
	m.idle = time.AfterFunc(m.patience(), m.expire)
	return f, err
}

func (m *liveMap) patience() time.Duration {
	if m.cfg.LiveIdle > 0 {
		return m.cfg.LiveIdle
	}
	return liveIdle
}

// expire ends the map when nobody has asked for long enough.
func (m *liveMap) expire() {
	defer m.expiring.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil || time.Since(m.asked) < m.patience() {
		return
	}
	if err := m.client.Close(); err != nil {
		m.cfg.Log.Warn("close helper", "error", err)
	}
	m.client = nil
}

func (m *liveMap) close() error {
	m.mu.Lock()
	m.closed = true
	if m.idle != nil && m.idle.Stop() {
		m.expiring.Done()
	}
	var err error
	if m.client != nil {
		err = m.client.Close()
		m.client = nil
	}
	m.mu.Unlock()
	m.expiring.Wait()
	return err
}

// keepLive starts the map before somebody asks, for a daemon that was told to.
func (d *Daemon) keepLive() {
	d.owned.Go(func() {
		f, err := d.live.owners(d.ctx)
		if err == nil {
			err = f.Close()
		}
		if err != nil && d.ctx.Err() == nil {
			d.cfg.Log.Warn("start live map of sockets", "error", err)
		}
	})
}

// getOwners answers with the bytes of package owners. Where there is no helper
// the status is 501.
func (d *Daemon) getOwners(w http.ResponseWriter, r *http.Request) {
	f, err := d.live.owners(r.Context())
	var none *noLiveError
	switch {
	case errors.As(err, &none):
		refuse(w, http.StatusNotImplemented, err)
		return
	case err != nil:
		refuse(w, http.StatusConflict, err)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		refuse(w, http.StatusConflict, fmt.Errorf("read the helper's answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	_, _ = io.Copy(w, io.NewSectionReader(f, 0, st.Size())) // the client may be gone
}
