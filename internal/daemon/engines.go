package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"lodge/internal/helper"
	"lodge/internal/home/seccomphome"
	"lodge/internal/hosts"
	"lodge/internal/keeper"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
)

// engines knows which engines work here, and holds the connection to the
// helper.
type engines struct {
	cfg Config

	mu     sync.Mutex // guards what follows; held while the helper is asked
	client *helper.Client
	// cannot is why the helper, which is there, could make no home.
	cannot string
	// why the helper is not there, where it is not
	unreachable error
	asked       time.Time
	// left are the cgroups of homes that a stopped helper could not remove.
	left []string
	// retry is when these are tried again, or nil.
	retry *time.Timer
}

// helperRetry is how long a missing helper is believed to be missing.
const helperRetry = 2 * time.Second

func newEngines(cfg Config) *engines { return &engines{cfg: cfg} }

func (e *engines) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.retry != nil {
		e.retry.Stop()
		e.retry = nil
	}
	if e.client == nil {
		return nil
	}
	wakeToEnd(e.client)
	err := e.client.Close()
	e.client = nil
	return err
}

// dialHelper gives a helper that answers: as root a child of this daemon, else
// the machine's.
func dialHelper(ctx context.Context, cfg Config) (c *helper.Client, err error) {
	if os.Geteuid() == 0 {
		c, err = helper.Spawn(cfg.Exe, cfg.helperArgs()...)
	} else {
		c, err = helper.Dial(ctx, SystemHelper)
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.Hello(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// helperClient gives the helper. Call it with mu held.
func (e *engines) helperClient(ctx context.Context) (*helper.Client, error) {
	if e.client != nil {
		_, err := e.client.Hello(ctx)
		if err == nil {
			e.unreachable = nil
			return e.client, nil
		}
		if halted(err) {
			e.asked, e.unreachable = time.Now(), err
			return nil, err // its homes are there, and it may go on
		}
		_ = e.client.Close() // it was killed: another one takes over
		e.client = nil
	}
	if e.unreachable != nil && time.Since(e.asked) < helperRetry {
		return nil, e.unreachable
	}
	c, err := dialHelper(ctx, e.cfg)
	e.asked, e.unreachable = time.Now(), err
	if err != nil {
		return nil, err
	}
	e.client = c
	return c, nil
}

// ebpf says whether the ebpf engine works here, as far as is known: the proof
// is a home that is made. Call it with mu held.
func (e *engines) ebpf(ctx context.Context) (bool, string) {
	if _, err := e.helperClient(ctx); err != nil {
		if os.Geteuid() != 0 && (errors.Is(err, os.ErrNotExist) || localapi.NotRunning(err)) {
			return false, "it needs root, or lodge's helper, which is not installed"
		}
		return false, "the helper cannot be used: " + err.Error()
	}
	if e.cannot != "" {
		return false, e.cannot
	}
	return true, "the helper can attach eBPF programs to cgroups"
}

// probe asks the helper for everything that it can need. The answer is nil
// where it does not say. Call it with mu held.
func (e *engines) probe(ctx context.Context) *helper.Hello {
	c, err := e.helperClient(ctx)
	if err != nil {
		return nil
	}
	h, err := c.Probe(ctx)
	if err != nil {
		return nil
	}
	if ok, why := h.CanMakeHomes(); !ok {
		e.cannot = why
	}
	return h
}

// failed notes that no home could be made, so that the next choice is another
// engine.
func (e *engines) failed(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cannot = err.Error()
}

// choose gives the engine for a new home: the one that is wanted, or the first
// that works, and why.
func (e *engines) choose(ctx context.Context, want loopback.Engine) (loopback.Engine, string, error) {
	no := ""
	if want == "" || want == loopback.EBPF {
		e.mu.Lock() // the other engines do not wait for the helper
		ok, why := e.ebpf(ctx)
		e.mu.Unlock()
		if ok {
			return loopback.EBPF, reason(want, why), nil
		}
		no = "ebpf: " + why
		if want != "" {
			return "", "", &localapi.Error{Message: "use engine ebpf: " + why, Hint: "lodge doctor, or --engine seccomp"}
		}
	}
	if want == "" || want == loopback.Seccomp {
		ok, why := seccomphome.Probe()
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
func (e *engines) createHome(ctx context.Context, cfg *keeper.Config) ([]*os.File, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.helperClient(ctx)
	if err != nil {
		return nil, err
	}
	e.removeLeft(ctx, c)
	hf, err := c.CreateHome(ctx, cfg.Home.IP4, cfg.Home.Isolation == loopback.Strict)
	if err != nil {
		return nil, err
	}
	cfg.Home.IP6, cfg.Cgroup, cfg.EngineFiles = hf.IP6, hf.Path, len(hf.Files())
	return hf.Files(), nil
}

// setHosts has the helper write names to the machine's hosts file.
func (e *engines) setHosts(ctx context.Context, entries []hosts.Entry) error {
	if os.Geteuid() == 0 && e.cfg.HostsFile == "" {
		return errors.New("this daemon was not told which hosts file it may change (LODGE_HOSTS=/etc/hosts)")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.helperClient(ctx)
	if err == nil {
		err = c.SetHosts(ctx, entries)
	}
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("lodge's helper, which would tell them, is not installed")
	}
	return err
}

// listenWeb has the helper open port 80 or 443.
func (e *engines) listenWeb(ctx context.Context, port uint16) ([]net.Listener, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.helperClient(ctx)
	if err != nil {
		return nil, err
	}
	return c.ListenWeb(ctx, port)
}

// enter puts the keeper beside its home, where it may start processes inside.
func (e *engines) enter(ctx context.Context, cfg keeper.Config, pid int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.helperClient(ctx)
	if err != nil {
		return err
	}
	return c.Enter(ctx, cfg.Home.IP4, pid)
}

// removeHome takes down what createHome made, with the processes that a killed
// keeper left.
func (e *engines) removeHome(ctx context.Context, cfg keeper.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.helperClient(ctx)
	if err != nil {
		return e.removeLater(cfg, err)
	}
	return e.removeLater(cfg, c.RemoveHome(ctx, cfg.Cgroup, true))
}

// SystemHelper is where a helper for all users listens, if one is installed.
const SystemHelper = "/run/lodge-helper.sock"
