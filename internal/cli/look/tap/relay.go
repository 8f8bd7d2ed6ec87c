package tap

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"sync"
	"time"

	"lodge/internal/cli/daemonview"
	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/sockets/holders"
	"lodge/internal/stall"
	"lodge/internal/tap"
)

// relaySource is a tap of the homes that this user's keepers hold with the seccomp engine:
// each leads new connections to its services through itself, and gives their bytes.
type relaySource struct {
	run    *run
	view   *daemonview.View
	boot   time.Time
	feeds  sync.WaitGroup
	begins []*relayFeed // those of the begin
	open   []*relayFeed // those that are read; of the goroutine of read

	// known are the keepers that are tapped, with "", or that cannot be, with what was
	// said of that. It is of the goroutine of read.
	known map[keeperID]string

	mu      sync.Mutex // guards what follows, the view and the outputs
	engine  *tap.Engine
	capture tap.Capture
	users   map[uint32]string
}

// keeperID is one keeper process.
type keeperID struct {
	pid   int
	start uint64
}

const (
	// keepersEvery is how often keepers are looked for that are new.
	keepersEvery = 500 * time.Millisecond
	// lastCounts is how long a keeper, which may be stopped, may take for what it has
	// still at the end; see patience.
	lastCounts = 5 * time.Second
	// relayNote is the comment of a file of packets.
	relayNote = "made of the bytes that went through the relay of lodge tap --relay: the packets, their handshakes and sequence numbers are made up; addresses, times and bytes are real"
)

// openRelay taps the homes that are up.
func openRelay(ctx context.Context, r *run) (source, error) {
	s := &relaySource{run: r, boot: holders.BootTime(), known: map[keeperID]string{}, users: map[uint32]string{}}
	s.capture.Relay = true
	s.capture.LeftOut, s.capture.Lost = map[string]tap.Count{}, map[string]tap.Count{}
	s.view = daemonview.Open(ctx, r.kit)
	r.kit.Warn(s.view.Warnings...)
	s.begins = s.look(ctx)
	if len(s.begins) == 0 {
		r.kit.Warn("tap: no project is up whose home is made by the seccomp engine: one that comes up is tapped (hint: lodge ls)")
	}
	r.kit.Warn("tap: connections that are made inside homes from now on go through a relay, which slows them",
		"tap: not seen: connections that are open already, those from outside of a home, and what is not TCP")
	if r.keys != nil && !r.flags.Packets {
		r.keys.find(ctx)
	}
	return s, nil
}

// look taps the keepers that are new.
func (s *relaySource) look(ctx context.Context) (out []*relayFeed) {
	d := s.run.kit.Dirs()
	for _, rec := range keeperapi.Find(d.Keepers(), d.Spare()) {
		id := keeperID{rec.PID, rec.StartTime}
		said, known := s.known[id]
		if known && said == "" {
			continue
		}
		f, err := s.tap(ctx, rec)
		text := ""
		switch {
		case ctx.Err() != nil:
			return out
		case err == nil:
			out = append(out, f)
		case errors.Is(err, keeperapi.ErrGone):
			continue // it has ended, or has yet to begin
		default:
			text = err.Error()
			if text != said {
				s.run.kit.Warn("tap: " + text)
			}
		}
		s.known[id] = text
	}
	return out
}

// tap taps one keeper.
func (s *relaySource) tap(ctx context.Context, rec keeperapi.Record) (*relayFeed, error) {
	c := rec.Config
	name := s.nameOf(c)
	if c.Engine != loopback.Seccomp {
		return nil, fmt.Errorf("%s is not tapped: its home is made by the engine %s (hint: sudo lodge setup, and lodge tap without --relay)", name, c.Engine)
	}
	conn, err := keeperapi.Tap(ctx, rec.Client())
	if err != nil {
		if errors.Is(err, keeperapi.ErrNoTap) {
			return nil, fmt.Errorf("%s is not tapped: it was started by an older lodge (hint: lodge down, then lodge up)", name)
		}
		hint := ""
		var halted *stall.Error
		var refused *keeperapi.Error
		switch {
		case errors.As(err, &halted):
			hint = halted.Hint()
		case errors.As(err, &refused):
			hint = refused.Hint
		}
		if hint != "" {
			hint = " (hint: " + hint + ")"
		}
		return nil, fmt.Errorf("%s is not tapped: %w%s", name, err, hint)
	}
	return newRelayFeed(s, name, c.Home.IP4, conn), nil
}

// nameOf is what a project is called.
func (s *relaySource) nameOf(c keeperapi.Config) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.view.Projects {
		if p.ID == c.ID {
			return p.Shown()
		}
	}
	return c.Name
}

// read implements [source].
func (s *relaySource) read(ctx context.Context) (tap.Capture, error) {
	// What was delivered is read to its end, also by a look at the sockets.
	reading := context.WithoutCancel(ctx)
	finder := newFinder(reading, s.run, s.view)
	s.mu.Lock()
	s.engine = s.run.newEngine(finder, tap.SourceRelay)
	s.mu.Unlock()
	s.start(s.begins)
	every := time.NewTicker(keepersEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-every.C:
			s.start(s.look(ctx))
			s.mu.Lock()
			s.run.keys.look(now)
			s.mu.Unlock()
		case <-ctx.Done():
		}
	}
	until := time.Now().Add(lastCounts)
	for _, f := range s.open {
		f.stop(until)
	}
	s.feeds.Wait()
	s.engine.Close()
	s.run.keys.over()
	return s.capture, nil
}

// start reads feeds.
func (s *relaySource) start(list []*relayFeed) {
	s.open = append(s.open, list...)
	for _, f := range list {
		s.feeds.Go(f.read)
	}
}

// close implements [source].
func (s *relaySource) close() error {
	for _, f := range append(s.begins, s.open...) {
		_ = f.conn.Close() // it may be closed already
	}
	s.view.Close()
	return nil
}

// user returns the name of a user, or the number.
func (s *relaySource) user(uid uint32) string {
	name, ok := s.users[uid]
	if !ok {
		name = strconv.FormatUint(uint64(uid), 10)
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		s.users[uid] = name
	}
	return name
}
