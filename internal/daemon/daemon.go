// Package daemon builds lodge's parts and serves the API: one process per user
// (and per pair of directories), without privileges of its own. It holds which
// projects there are and which home each has; what runs is the keepers'.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/unixsock"
)

// Config is all that a daemon is told.
type Config struct {
	Dirs localapi.Dirs
	// Lodge is the program that keepers run, Helper the privileged one that a
	// daemon of root starts; both are paths.
	Lodge, Helper string
	Version       string
	// Linger ends the daemon when no project has been up for so long; zero or
	// less: never.
	Linger time.Duration
	// HostsFile is where a helper that this daemon starts itself keeps the
	// names below .test, or "" for nowhere.
	HostsFile string
	// LiveMap keeps the live map of sockets from the start to the end, not only
	// while somebody asks.
	LiveMap bool
	// LiveIdle is how long it is kept otherwise when nobody asks; zero or less:
	// five minutes.
	LiveIdle time.Duration
	Log      *slog.Logger
	// Sources publish events beside those of the keepers and of the daemon itself.
	Sources []Source
	// Path is the PATH of services that are started by a client that gives no
	// environment; "" is a usual one.
	Path string
	// SocketInterval is the time between two readings of the table of sockets, while
	// events of sockets are read; zero or less: there are none.
	SocketInterval time.Duration
	// Busy is called when a client comes that makes more work than most; nil:
	// nobody wants to know.
	Busy func()
	// Output takes what keepers and the helper write to their standard error.
	Output *os.File
}

// helperArgs is the command line of a helper that the daemon starts itself.
func (c Config) helperArgs() []string {
	if c.HostsFile == "" {
		return nil
	}
	return []string{"--hosts", c.HostsFile}
}

// ErrRunning says that another daemon has these directories.
var ErrRunning = errors.New("another daemon runs already")

// Daemon is an open daemon.
//
// It is made of layers, each with one subject, and each knows those before it
// only: what all share (core), names (namer),
// following keepers (follower), ending projects (closer), opening them (opener),
// finding those of an earlier daemon (adopter), the ports of the web (webServer),
// what works here (examiner), and ways to one service (guide).
type Daemon struct{ guide }

// New opens the directories, takes back the keepers that still run, and clears
// what those left that do not.
func New(ctx context.Context, cfg Config) (*Daemon, error) {
	if err := cfg.Dirs.Make(); err != nil {
		return nil, err
	}
	for _, p := range []string{cfg.Dirs.Keepers(), filepath.Join(cfg.Dirs.State, "logs")} {
		if err := unixsock.MakeDirs(p, 1); err != nil {
			return nil, err
		}
	}
	claim, err := takeClaim(cfg.Dirs)
	if err != nil {
		return nil, err
	}
	st, err := openStore(cfg.Dirs.State)
	if err != nil {
		return nil, errors.Join(err, claim.close())
	}
	dctx, cancel := context.WithCancel(context.Background())
	d := &Daemon{}
	d.core = core{
		cfg: cfg, store: st, started: time.Now(), claim: claim,
		projects: make(map[string]*project), opening: make(map[string]*sync.Mutex),
		idleFrom: time.Now(),
		ctx:      dctx, cancel: cancel, poke: make(chan struct{}, 1),
	}
	d.engines, d.naming = newEngines(cfg), newNaming()
	d.live = newLiveMap(cfg, d.engines)
	d.events = openEvents(cfg, st.labelFor, func(id string) bool { _, ok := d.get(id); return ok })
	d.leaveHome()
	d.adopt(ctx)
	d.events.adopted.Store(true)
	d.events.forgetEnded()
	if cfg.LiveMap {
		d.live.keep()
	}
	return d, nil
}

// Run serves until ctx ends, or nothing is left to serve. Projects go on.
// opened is called once the socket answers.
func (d *Daemon) Run(ctx context.Context, opened func()) error {
	serveCtx, stopServing := context.WithCancel(d.ctx)
	defer stopServing()
	d.serveCtx = serveCtx
	srv := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(d.cfg.Log.Handler(), slog.LevelWarn)}
	srv.RegisterOnShutdown(stopServing)
	srv.RegisterOnShutdown(d.events.shut)
	door, err := openDoor(d, srv)
	if err != nil {
		return errors.Join(err, d.close())
	}
	d.web = d.openWeb(ctx)
	s, err := d.serveNames()
	if err != nil {
		return errors.Join(err, door.close(), door.ln.Close(), d.close())
	}
	d.serving.Store(s)
	d.rename()
	d.owned.Go(d.keepHosts)
	d.owned.Go(func() { d.events.runSources(d.ctx, d.sources()) })
	d.owned.Go(s.restIdle)
	first := door.ln
	d.owned.Go(func() { door.serve(first) })
	displaced := make(chan struct{})
	d.owned.Go(func() {
		if err := door.tend(d.ctx); err != nil {
			d.cfg.Log.Warn("another daemon has the runtime directory: this one ends", "err", err)
			close(displaced)
		}
	})
	if opened != nil {
		opened()
	}
	err = nil
	select {
	case <-ctx.Done():
	case <-d.idle(ctx):
	case <-displaced:
	case err = <-door.failed:
	}
	_ = door.close()
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if serr := srv.Shutdown(end); serr != nil && err == nil && !errors.Is(serr, context.DeadlineExceeded) {
		err = serr
	}
	return errors.Join(err, d.close())
}

// close lets go of everything. The keepers go on.
func (d *Daemon) close() error {
	d.cancel()
	d.owned.Wait()
	serr := d.serving.Load().close()
	var web error
	if d.web != nil {
		web = d.web.close()
	}
	d.live.close()
	return errors.Join(serr, web, d.engines.close(), d.events.close(), d.claim.close())
}

// idle returns a channel that is closed when no project has been up, and nobody
// asked for anything, for the time to linger.
func (d *Daemon) idle(ctx context.Context) <-chan struct{} {
	out := make(chan struct{})
	if d.cfg.Linger <= 0 {
		return out
	}
	d.owned.Add(1)
	go func() {
		defer d.owned.Done()
		t := time.NewTimer(d.cfg.Linger)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-d.ctx.Done():
				return
			case <-d.poke:
				t.Reset(d.cfg.Linger)
			case <-t.C:
				d.mu.Lock()
				over := len(d.projects) == 0 && d.active == 0
				d.mu.Unlock()
				if over {
					close(out)
					return
				}
				t.Reset(d.cfg.Linger)
			}
		}
	}()
	return out
}

// onlySameUser lets in only this user and root.
type onlySameUser struct{ *net.UnixListener }

func (l onlySameUser) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if unixsock.SameUser(c) {
			return c, nil
		}
		_ = c.Close()
	}
}
