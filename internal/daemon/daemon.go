// Package daemon builds lodge's parts and serves the API: one process per user
// (and per pair of directories), without privileges of its own. It holds which
// projects there are and which home each has; what runs is the keepers'.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/unixsock"
)

// Config is all that a daemon is told.
type Config struct {
	Dirs    localapi.Dirs
	Exe     string // this program, to start keepers and the helper with
	Version string
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
	// Busy is called when a client comes that makes more work than most; nil:
	// nobody wants to know.
	Busy func()
	// Output takes what keepers and the helper write to their standard error.
	Output *os.File
}

// helperArgs is the command line of a helper that the daemon starts itself.
func (c Config) helperArgs() []string {
	args := []string{"helper"}
	if c.HostsFile != "" {
		args = append(args, "--hosts", c.HostsFile)
	}
	return args
}

// ErrRunning says that another daemon has these directories.
var ErrRunning = errors.New("another daemon runs already")

// Daemon is an open daemon.
type Daemon struct {
	cfg     Config
	store   *store
	engines *engines
	naming  *naming
	shares  shares
	web     *web                    // set by Run
	serving atomic.Pointer[serving] // set by Run
	live    *liveMap
	started time.Time
	lock    *os.File

	// mu guards what follows. It is never held while a keeper is started,
	// asked or awaited; opening[id] is.
	mu       sync.Mutex
	projects map[string]*project // by id
	opening  map[string]*sync.Mutex
	active   int // API calls under way
	idleFrom time.Time

	ctx    context.Context // ends the followers of keepers
	cancel context.CancelFunc
	owned  sync.WaitGroup
	poke   chan struct{} // something changed that may make it idle
}

// New opens the directories, takes back the keepers that still run, and clears
// what those left that do not.
func New(ctx context.Context, cfg Config) (*Daemon, error) {
	if err := cfg.Dirs.Make(); err != nil {
		return nil, err
	}
	for _, p := range []string{filepath.Join(cfg.Dirs.Runtime, "k"), filepath.Join(cfg.Dirs.State, "logs")} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
	}
	lock, err := takeLock(filepath.Join(cfg.Dirs.Runtime, "lodge.lock"))
	if err != nil {
		return nil, err
	}
	st, err := openStore(cfg.Dirs.State)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	dctx, cancel := context.WithCancel(context.Background())
	d := &Daemon{
		cfg: cfg, store: st, started: time.Now(), lock: lock,
		projects: make(map[string]*project), opening: make(map[string]*sync.Mutex),
		idleFrom: time.Now(),
		ctx:      dctx, cancel: cancel, poke: make(chan struct{}, 1),
	}
	d.engines, d.naming = newEngines(cfg), newNaming()
	d.live = newLiveMap(cfg)
	d.leaveHome()
	d.adopt(ctx)
	if cfg.LiveMap {
		d.live.keep()
	}
	return d, nil
}

func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// Run serves until ctx ends, or nothing is left to serve. Projects go on.
// opened is called once the socket answers.
func (d *Daemon) Run(ctx context.Context, opened func()) error {
	ln, err := unixsock.Listen(d.cfg.Dirs.Socket())
	if err != nil {
		return errors.Join(err, d.close())
	}
	d.web = d.openWeb(ctx)
	s, err := d.serveNames()
	if err != nil {
		return errors.Join(err, ln.Close(), d.close())
	}
	d.serving.Store(s)
	d.rename()
	d.owned.Go(d.keepHosts)
	d.owned.Go(s.restIdle)
	srv := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(d.cfg.Log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(onlySameUser{ln}) }()
	if opened != nil {
		opened()
	}
	err = nil
	select {
	case <-ctx.Done():
	case <-d.idle(ctx):
	case err = <-served:
	}
	// New clients find no socket from here on and start another daemon, which
	// waits for the lock.
	_ = os.Remove(d.cfg.Dirs.Socket())
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
	return errors.Join(serr, web, d.engines.close(), d.live.close(), d.lock.Close())
}

// idle gives a channel that is closed when no project has been up, and nobody
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

func (d *Daemon) touch() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
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
