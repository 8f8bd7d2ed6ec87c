package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/rawjson"
	"lodge/internal/service/reaper"
	"lodge/internal/service/supervisor"
	"lodge/internal/unixsock"
)

// How the daemon and a new keeper meet: the numbers of inherited descriptors.
const (
	ConfigFD = 3 // read: Config as JSON, to the end of the file
	ReadyFD  = 4 // write: Ready as JSON, once
	EngineFD = 5 // first of Config.EngineFiles
)

// self is the program that runs, also after its file was replaced (proc(5)).
const self = "/proc/self/exe"

// keeper is one project's keeper.
type keeper struct {
	cfg    keeperapi.Config
	inside home.Inside
	sup    *supervisor.Supervisor
	store  *logs.Store
	hosts  *hostsFile
	stays  lingers

	life     *life
	conns    connections
	here     *presence
	place    *place
	teller   *teller
	executor *executor

	mu sync.Mutex // guards what follows
	// defined is the directory of the file that defines the services, and
	// environ the environment that was given with it.
	defined string
	environ []string
}

// newKeeper opens the files by which others find the keeper, and makes the keeper.
func newKeeper(cfg keeperapi.Config, inside home.Inside, reaper *reaper.Reaper, store *logs.Store, stays lingers) (*keeper, error) {
	here, err := openPresence(cfg)
	if err != nil {
		return nil, err
	}
	k := &keeper{
		cfg: cfg, inside: inside, store: store, stays: stays, here: here,
		hosts: newHostsFile(cfg.Record, self),
		life:  newLife(),
		place: openPlace(cfg.Dir),
		sup:   supervisor.New(cfg.Name, cfg.Home, inside, reaper, store),
	}
	k.teller = &teller{cfg: cfg, sup: k.sup, place: k.place}
	k.executor = &executor{sup: k.sup, store: store, hosts: k.hosts, quit: k.life.quit}
	return k, nil
}

// lingers is how long a keeper without anything to keep stays.
type lingers struct {
	first time.Duration // for a first request
	last  time.Duration // after the last
}

var usualLingers = lingers{first: 10 * time.Second, last: 100 * time.Millisecond}

// defaultSignals makes what is started here have the usual dispositions of
// signals, also where this process was started with some ignored (nohup, or a
// shell's background): an ignored signal stays ignored over execve(2), one that
// is caught is not. It holds for the life of the process.
func defaultSignals() {
	caught := make(chan os.Signal, 1)
	for n := unix.Signal(1); n < 32; n++ {
		if signal.Ignored(n) {
			signal.Notify(caught, n)
		}
	}
}

// Run is the whole life of a keeper process. It returns when the project has
// ended. ctx ends it early, with everything that runs.
func Run(ctx context.Context) error {
	ready := os.NewFile(ReadyFD, "ready")
	k, inside, reaper, err := open()
	word := keeperapi.Ready{}
	if err != nil {
		word.Error = keeperapi.WireError(err)
	}
	_ = json.NewEncoder(ready).Encode(word) // the daemon may be gone: that is no reason to end
	_ = ready.Close()
	if err != nil {
		return err
	}
	err = k.serve(ctx)
	reaper.Close()
	_ = os.Remove(k.hosts.path) // most have none
	k.place.close()
	return errors.Join(err, inside.Close(), k.store.Close(), k.here.remove())
}

func open() (*keeper, home.Inside, *reaper.Reaper, error) {
	// Nothing that is started later may inherit what this process was given
	// (close_range(2)).
	if err := unix.CloseRange(ConfigFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, nil, nil, os.NewSyscallError("close_range", err)
	}
	f := os.NewFile(ConfigFD, "config")
	b, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read keeper configuration: %w", err)
	}
	var cfg keeperapi.Config
	if err := rawjson.Unmarshal(b, &cfg); err != nil {
		return nil, nil, nil, fmt.Errorf("read keeper configuration: %w", err)
	}
	setMark(&cfg)
	reaper, err := reaper.New()
	if err != nil {
		return nil, nil, nil, err
	}
	inside, err := openHome(cfg)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("open home %s: %w", cfg.Home.IP4, err)
	}
	store, err := logs.Open(cfg.LogDir, logs.Options{})
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("open logs: %w", err), inside.Close())
	}
	k, err := newKeeper(cfg, inside, reaper, store, usualLingers)
	if err != nil {
		return nil, nil, nil, errors.Join(err, inside.Close())
	}
	return k, inside, reaper, nil
}

// serve answers until there is nothing left to keep.
func (k *keeper) serve(ctx context.Context) error {
	defaultSignals()
	var tending sync.WaitGroup
	ended := make(chan struct{})
	k.here.listen = func(ln *unixsock.Owned) { k.conns.accept(ln, k.handle) }
	k.here.listen(k.here.ln)
	tending.Go(k.tendLogs)
	tending.Go(func() { k.here.tend(ended) })
	tending.Go(k.idle)
	select {
	case <-ctx.Done():
		k.life.stop()
	case <-k.life.quit:
	}
	// Ending takes at most the grace time of the slowest service; this bound is
	// for a process that even SIGKILL does not end.
	end, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	go func() {
		select {
		case <-k.life.hard:
			cancel()
		case <-end.Done():
		}
	}()
	err := k.sup.Close(end)
	close(ended)
	k.here.hangUp()
	k.conns.hangUp()
	tending.Wait()
	k.conns.wait()
	return err
}

// tendLogs delivers lines that were left unfinished, such as a prompt, and
// notes why the log cannot be written.
func (k *keeper) tendLogs() {
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-k.life.quit:
			return
		case <-t.C:
			k.store.Flush(200 * time.Millisecond)
		case err := <-k.store.Err():
			k.teller.noteLogError(err)
		}
	}
}

// idle ends the keeper when nothing runs and no client asks for anything.
func (k *keeper) idle() {
	wait := time.NewTimer(k.stays.first)
	defer wait.Stop()
	for {
		ch := k.sup.Changed()
		select {
		case <-k.life.quit:
			return
		case <-wait.C:
			if k.life.endIf(k.sup.Idle) {
				return
			}
			wait.Reset(k.stays.first)
		case <-ch:
			if k.life.waits() && k.sup.Idle() {
				wait.Reset(k.stays.last)
			}
		}
	}
}
