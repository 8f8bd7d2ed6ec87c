// Package daemon puts the parts of lodge's daemon together, and starts and ends them: one
// process per user (and per pair of directories), without privileges of its own. It holds
// which projects there are and which home each has; what runs is the keepers'.
//
// The parts are packages below this one. Each says by an interface, or by functions that
// it is given, what it needs of the others.
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

	"lodge/internal/daemon/engines"
	"lodge/internal/daemon/events"
	"lodge/internal/daemon/helperconn"
	"lodge/internal/daemon/keystream"
	"lodge/internal/daemon/live"
	"lodge/internal/daemon/naming"
	"lodge/internal/daemon/projects"
	"lodge/internal/daemon/serving"
	"lodge/internal/daemon/store"
	"lodge/internal/daemon/strays"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/mark"
	"lodge/internal/unixsock"
)

// Config is all that a daemon is told.
type Config struct {
	Dirs localapi.Dirs
	// Keeper is the program that keepers run, Helper the privileged one that a
	// daemon of root starts; both are paths.
	Keeper, Helper string
	Version        string
	// Linger ends the daemon when no project has been up for so long; zero or
	// less: never.
	Linger time.Duration
	// HostsFile is where a helper that this daemon starts itself keeps the
	// names below .test, or "" for nowhere.
	HostsFile string
	// LiveMap keeps the live map of sockets from the start to the end, not only
	// while it is asked for.
	LiveMap bool
	// LiveIdle is how long it is kept otherwise after the last question; zero or less:
	// five minutes.
	LiveIdle time.Duration
	Log      *slog.Logger
	// Sources publish events beside those of the keepers and of the daemon itself.
	Sources []events.Source
	// Path is the PATH of services that are started by a client that gives no
	// environment; "" is a usual one.
	Path string
	// SocketInterval is the time between two readings of the table of sockets, while
	// events of sockets are read; zero or less: there are none.
	SocketInterval time.Duration
	// Busy is called when a client comes that makes more work than most; nil:
	// nothing is called.
	Busy func()
	// Output takes what keepers and the helper write to their standard error.
	Output *os.File
}

// ErrRunning says that another daemon has these directories.
var ErrRunning = errors.New("another daemon runs already")

// Daemon is an open daemon.
type Daemon struct {
	cfg     Config
	started time.Time
	claim   *claim

	store    *store.Store
	helper   *helperconn.Conn
	engines  *engines.Engines
	live     *live.Map
	events   *events.Stream
	names    *naming.Names
	projects *projects.Projects
	serving  *serving.Server
	keys     keystream.Stream

	activity *activity
	ctx      context.Context // ends what goes on in the background
	cancel   context.CancelFunc
	owned    sync.WaitGroup
}

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
	st, err := store.Open(cfg.Dirs.State)
	if err != nil {
		return nil, errors.Join(err, claim.close())
	}
	d := &Daemon{cfg: cfg, started: time.Now(), claim: claim, store: st}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.build()
	strays.LeaveHome(mark.Of(cfg.Dirs.Runtime, ""))
	d.projects.Adopt(ctx)
	d.events.Adopted()
	if cfg.LiveMap {
		d.live.Start()
	}
	return d, nil
}

// build makes the parts, each after those that it needs. Names are told to the server and
// to the stream of events, which are there before the first name is.
func (d *Daemon) build() {
	cfg := d.cfg
	d.activity = newActivity(cfg.Linger, func() bool { return len(d.projects.All()) == 0 })
	d.helper = helperconn.New(helperconn.Options{Program: cfg.Helper, HostsFile: cfg.HostsFile})
	d.engines = engines.New(d.helper)
	d.live = live.New(d.helper, live.Options{Kept: cfg.LiveMap, Idle: cfg.LiveIdle, Log: cfg.Log})
	d.events = events.Open(events.Options{
		File: filepath.Join(cfg.Dirs.Runtime, "events.jsonl"), Label: d.store.LabelFor, Log: cfg.Log,
		Follows: func(id string) bool { return d.projects.Has(id) },
	})
	d.names = naming.New(naming.Options{
		Projects: func() []keeperapi.Project { return d.projects.Told() },
		Label:    d.store.LabelFor,
		Changed:  func() { d.serving.Update() },
		Told:     d.events.TellNames,
		SetHosts: d.helper.SetHosts,
	})
	d.projects = projects.New(projects.Options{
		Dirs: cfg.Dirs, Keeper: cfg.Keeper, Version: cfg.Version, Log: cfg.Log, Output: cfg.Output,
		Store: d.store, Engines: d.engines, Events: d.events, Names: d.names, Changed: d.activity.touch,
	})
	d.serving = serving.New(serving.Options{
		Names: d.names, Projects: d.projects, Store: d.store, Helper: d.helper,
		TrustDir: cfg.Dirs.Trust(), KeyLog: &d.keys, Log: cfg.Log, Busy: cfg.Busy,
	})
}

// Run serves until ctx ends, or nothing is left to serve. Projects go on.
// opened is called once the socket answers.
func (d *Daemon) Run(ctx context.Context, opened func()) error {
	serveCtx, stopServing := context.WithCancel(d.ctx)
	defer stopServing()
	srv := &http.Server{Handler: d.handler(serveCtx), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(d.cfg.Log.Handler(), slog.LevelWarn)}
	srv.RegisterOnShutdown(stopServing)
	srv.RegisterOnShutdown(d.events.Shut)
	socket, err := openSocket(d, srv)
	if err != nil {
		return errors.Join(err, d.close())
	}
	if err := d.serving.Open(ctx); err != nil {
		return errors.Join(err, socket.close(), socket.ln.Close(), d.close())
	}
	d.names.Rename()
	d.owned.Go(func() { d.names.KeepHosts(d.ctx) })
	d.owned.Go(func() { d.events.Run(d.ctx, d.sources()) })
	first := socket.ln
	d.owned.Go(func() { socket.serve(first) })
	displaced := make(chan struct{})
	d.owned.Go(func() {
		if err := socket.tend(d.ctx); err != nil {
			d.cfg.Log.Warn("another daemon has the runtime directory: this one ends", "err", err)
			close(displaced)
		}
	})
	idle := make(chan struct{})
	d.owned.Go(func() {
		if d.activity.await(ctx, d.ctx) {
			close(idle)
		}
	})
	if opened != nil {
		opened()
	}
	err = nil
	select {
	case <-ctx.Done():
	case <-idle:
	case <-displaced:
	case err = <-socket.failed:
	}
	_ = socket.close()
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if serr := srv.Shutdown(end); serr != nil && err == nil && !errors.Is(serr, context.DeadlineExceeded) {
		err = serr
	}
	return errors.Join(err, d.close())
}

// close ends the parts. The keepers go on.
func (d *Daemon) close() error {
	d.cancel()
	d.owned.Wait()
	d.keys.Close()
	d.projects.Close()
	serr := d.serving.Close()
	d.live.Close()
	d.engines.Close()
	return errors.Join(serr, d.helper.Close(), d.events.Close(), d.claim.close())
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
