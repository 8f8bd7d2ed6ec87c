package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"lodge/internal/helperapi"
	"lodge/internal/home/seccomphome/support"
	"lodge/internal/hosts"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
)

// engines knows which engines work here, and holds the connection to the
// helper.
type engines struct {
	cfg Config
	// dialing holds a token while a helper is connected to or started, so that
	// there is one. mu is not held meanwhile.
	dialing chan struct{}

	mu     sync.Mutex // guards what follows; never held while the helper is asked
	client *helperapi.Client
	// cannot is why the helper, which is there, could make no home when it was
	// last asked for one, or is empty.
	cannot   string
	cannotAt time.Time
	// unreachable is why the helper is not there, where it is not.
	unreachable error
	asked       time.Time
	// left are the cgroups of homes that a stopped helper could not remove.
	left []string
	// retry is when these are tried again, or nil.
	retry *time.Timer
}

// helperRetry is how long a missing helper is believed to be missing.
const helperRetry = 2 * time.Second

// engineRetry is how long a helper that could make no home is not asked for
// another: the disk may have been full, or the machine out of descriptors.
const engineRetry = 5 * time.Second

func newEngines(cfg Config) *engines { return &engines{cfg: cfg, dialing: make(chan struct{}, 1)} }

func (e *engines) close() error {
	e.mu.Lock()
	if e.retry != nil {
		e.retry.Stop()
		e.retry = nil
	}
	c := e.client
	e.client = nil
	e.mu.Unlock()
	if c == nil {
		return nil
	}
	wakeToEnd(c)
	return c.Close()
}

// dialHelper returns a helper that answers: as root a child of this daemon, else
// the machine's.
func dialHelper(ctx context.Context, cfg Config) (c *helperapi.Client, err error) {
	if os.Geteuid() == 0 {
		c, err = helperapi.Spawn(cfg.Helper, cfg.helperArgs()...)
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

// helperClient returns the helper, which may be asked by several at once.
func (e *engines) helperClient(ctx context.Context) (*helperapi.Client, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case e.dialing <- struct{}{}:
		defer func() { <-e.dialing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	e.mu.Lock()
	c, missing := e.client, e.unreachable
	recent := time.Since(e.asked) < helperRetry
	e.mu.Unlock()
	if c != nil {
		if c.Err() == nil {
			return c, nil
		}
		e.drop(c) // it was killed: another one takes over
	} else if missing != nil && recent {
		return nil, missing
	}
	c, err := dialHelper(ctx, e.cfg)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		// Whoever asked has gone, or waited for too long: that says nothing of the
		// next time.
		return nil, err
	}
	e.asked, e.unreachable, e.client = time.Now(), err, c
	return c, err
}

// drop closes a helper that has gone.
func (e *engines) drop(c *helperapi.Client) {
	e.mu.Lock()
	if e.client == c {
		e.client = nil
	}
	e.mu.Unlock()
	_ = c.Close() // how it ended is nothing to the daemon
}

// ask calls do with the helper, and once more with another one where the first
// has gone.
func (e *engines) ask(ctx context.Context, do func(*helperapi.Client) error) error {
	c, err := e.helperClient(ctx)
	if err != nil {
		return err
	}
	if err = do(c); !errors.Is(err, helperapi.ErrGone) || ctx.Err() != nil {
		e.heard(err)
		return err
	}
	if c, err = e.helperClient(ctx); err != nil {
		return err
	}
	err = do(c)
	e.heard(err)
	return err
}

// heard notes whether the helper, which is connected, runs: the connection of
// one that is stopped stands, and its homes are there.
func (e *engines) heard(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if halted(err) {
		e.asked, e.unreachable = time.Now(), err
	} else if halted(e.unreachable) {
		e.unreachable = nil
	}
}

// ebpf reports whether the ebpf engine works here, as far as is known: the proof
// is a home that is made.
func (e *engines) ebpf(ctx context.Context) (bool, string) {
	err := e.ask(ctx, func(c *helperapi.Client) error {
		_, err := c.Hello(ctx)
		return err
	})
	if err != nil {
		if os.Geteuid() != 0 && (errors.Is(err, os.ErrNotExist) || localapi.NotRunning(err)) {
			return false, "it needs root, or lodge's helper, which is not installed"
		}
		return false, "the helper cannot be used: " + err.Error()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cannot != "" && time.Since(e.cannotAt) < engineRetry {
		return false, e.cannot
	}
	return true, "the helper can attach eBPF programs to cgroups"
}

// probe asks the helper for everything that it can need. The answer is nil
// where it does not say.
func (e *engines) probe(ctx context.Context) *helperapi.Hello {
	var h *helperapi.Hello
	err := e.ask(ctx, func(c *helperapi.Client) (err error) {
		h, err = c.Probe(ctx)
		return err
	})
	if err != nil {
		return nil
	}
	if ok, why := h.CanMakeHomes(); !ok {
		e.failed(errors.New(why))
	}
	return h
}

// state returns what is known of the helper without asking it: whether it is
// connected, and why not.
func (e *engines) state() (connected bool, missing error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.client != nil && e.client.Err() == nil && e.unreachable == nil, e.unreachable
}

// failed notes that no home could be made, so that the next choices are another
// engine, for a while. That nobody waited for the home says nothing.
func (e *engines) failed(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || helperapi.Taken(err) || halted(err) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cannot, e.cannotAt = fmt.Sprintf("%v (tried again after %v)", err, engineRetry), time.Now()
}

// choose returns the engine for a new home: the one that is wanted, or the first
// that works, and why.
func (e *engines) choose(ctx context.Context, want loopback.Engine) (loopback.Engine, string, error) {
	if want == "" || want == loopback.EBPF {
		ok, why := e.ebpf(ctx)
		if ok {
			return loopback.EBPF, reason(want, why), nil
		}
		if want != "" {
			return "", "", &localapi.Error{Message: "use engine ebpf: " + why, Hint: "lodge doctor, or --engine seccomp"}
		}
		return e.without(want, "ebpf: "+why)
	}
	return e.without(want, "")
}

// without is choose where there is no engine ebpf, because of no. It asks no
// helper.
func (e *engines) without(want loopback.Engine, no string) (loopback.Engine, string, error) {
	if want == "" || want == loopback.Seccomp {
		ok, why := support.Check()
		if ok {
			if no != "" {
				why = no
			}
			return loopback.Seccomp, reason(want, why), nil
		}
		if want != "" {
			return "", "", &localapi.Error{Message: "use engine seccomp: " + why, Hint: "lodge doctor, or --engine none"}
		}
		no += "; seccomp: " + why
	}
	return loopback.None, reason(want, no), nil
}

func reason(want loopback.Engine, why string) string {
	if want != "" {
		return "asked for"
	}
	return why
}

// createHome has the helper make the home's cgroups and hand over what the
// keeper needs; it fills in the configuration accordingly.
func (e *engines) createHome(ctx context.Context, cfg *keeperapi.Config) ([]*os.File, error) {
	var hf *helperapi.HomeFiles
	err := e.ask(ctx, func(c *helperapi.Client) (err error) {
		e.removeLeft(ctx, c)
		hf, err = c.CreateHome(ctx, cfg.Home.IP4, cfg.Home.Isolation == loopback.Strict)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.cannot = ""
	e.mu.Unlock()
	cfg.Home.IP6, cfg.Cgroup, cfg.EngineFiles = hf.IP6, hf.Path, len(hf.Files())
	return hf.Files(), nil
}

// setHosts has the helper write names to the machine's hosts file. Those that
// are somebody else's are returned.
func (e *engines) setHosts(ctx context.Context, entries []hosts.Entry) (refused []helperapi.Refusal, err error) {
	if os.Geteuid() == 0 && e.cfg.HostsFile == "" {
		return nil, errors.New("this daemon was not told which hosts file it may change (LODGE_HOSTS=/etc/hosts)")
	}
	err = e.ask(ctx, func(c *helperapi.Client) (err error) {
		refused, err = c.SetHosts(ctx, entries)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("lodge's helper, which would tell them, is not installed")
	}
	return refused, err
}

// listenWeb has the helper open port 80 or 443.
func (e *engines) listenWeb(ctx context.Context, port uint16) (lns []net.Listener, err error) {
	err = e.ask(ctx, func(c *helperapi.Client) (err error) {
		lns, err = c.ListenWeb(ctx, port)
		return err
	})
	return lns, err
}

// enter puts the keeper beside its home, where it may start processes inside.
func (e *engines) enter(ctx context.Context, cfg keeperapi.Config, pid int) error {
	return e.ask(ctx, func(c *helperapi.Client) error { return c.Enter(ctx, cfg.Home.IP4, pid) })
}

// removeHome takes down what createHome made, with the processes that a killed
// keeper left.
func (e *engines) removeHome(ctx context.Context, cfg keeperapi.Config) error {
	err := e.ask(ctx, func(c *helperapi.Client) error { return c.RemoveHome(ctx, cfg.Cgroup, true) })
	return e.removeLater(cfg, err)
}
