package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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
	cfg   keeperapi.Config
	sup   *supervisor.Supervisor
	store *logs.Store
	hosts *hostsFile
	stays lingers

	here  *presence
	place *place
	quit  chan struct{} // closed when it should end
	once  sync.Once
	// hard is closed when nothing may have time to end by itself.
	hard     chan struct{}
	hardOnce sync.Once

	// telling makes the order of told states the order in which they were.
	telling sync.Mutex
	told    uint64 // guarded by telling

	// mu guards what follows.
	mu     sync.Mutex
	busy   int  // requests under way that may start something
	served bool // the last of them was not just a definition
	ending bool // nothing is begun any more
	hungUp bool // nor heard
	conns  map[*net.UnixConn]struct{}
	wg     sync.WaitGroup
	// defined is the directory of the file that says which services there are, and
	// environ the environment that was given with it.
	defined string
	environ []string
	// logError is why output is not written to disk, or was not last.
	logError string
}

// lingers says how long a keeper without anything to keep stays.
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
	k := &keeper{cfg: cfg, store: store, hosts: newHostsFile(cfg.Record, self), stays: usualLingers, quit: make(chan struct{}), hard: make(chan struct{}), conns: make(map[*net.UnixConn]struct{})}
	if k.here, err = openPresence(cfg); err != nil {
		return nil, nil, nil, errors.Join(err, inside.Close())
	}
	k.place = openPlace(cfg.Dir)
	k.sup = supervisor.New(cfg.Name, cfg.Home, inside, reaper, store)
	return k, inside, reaper, nil
}

// stop makes the keeper end.
func (k *keeper) stop() {
	k.mu.Lock()
	k.ending = true
	k.mu.Unlock()
	k.once.Do(func() { close(k.quit) })
}

// stopHard makes the keeper end now, with everything that runs.
func (k *keeper) stopHard() {
	k.hardOnce.Do(func() { close(k.hard) })
	k.stop()
}

// serve answers until there is nothing left to keep.
func (k *keeper) serve(ctx context.Context) error {
	defaultSignals()
	k.wg.Add(3)
	go func() { defer k.wg.Done(); k.tendLogs() }()
	accept := func(ln *unixsock.Owned) {
		k.wg.Add(1)
		go func() { defer k.wg.Done(); k.accept(ln) }()
	}
	k.here.listen = accept
	accept(k.here.ln)
	ended := make(chan struct{})
	go func() { defer k.wg.Done(); k.here.tend(ended) }()
	go func() { defer k.wg.Done(); k.idle() }()
	select {
	case <-ctx.Done():
		k.stop()
	case <-k.quit:
	}
	// Ending takes at most the grace time of the slowest service; this bound is
	// for a process that even SIGKILL does not end.
	end, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	go func() {
		select {
		case <-k.hard:
			cancel()
		case <-end.Done():
		}
	}()
	err := k.sup.Close(end)
	close(ended)
	k.here.hangUp()
	k.mu.Lock()
	k.hungUp = true
	for c := range k.conns {
		_ = c.CloseRead()
	}
	k.mu.Unlock()
	k.wg.Wait()
	return err
}

// tendLogs gives out lines that were left unfinished, such as a prompt, and
// notes why the log cannot be written.
func (k *keeper) tendLogs() {
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-k.quit:
			return
		case <-t.C:
			k.store.Flush(200 * time.Millisecond)
		case err := <-k.store.Err():
			k.mu.Lock()
			k.logError = err.Error()
			k.mu.Unlock()
		}
	}
}

// idle ends the keeper when nothing runs and nobody asks for anything.
func (k *keeper) idle() {
	wait := time.NewTimer(k.stays.first)
	defer wait.Stop()
	for {
		ch := k.sup.Changed()
		select {
		case <-k.quit:
			return
		case <-wait.C:
			if k.endIfIdle() {
				return
			}
			wait.Reset(k.stays.first)
		case <-ch:
			k.mu.Lock()
			over := k.served && k.busy == 0
			k.mu.Unlock()
			if over && k.sup.Idle() {
				wait.Reset(k.stays.last)
			}
		}
	}
}

// endIfIdle decides on the end: whatever is begun before it counts, and
// nothing is begun after it.
func (k *keeper) endIfIdle() bool {
	k.mu.Lock()
	end := k.busy == 0 && k.sup.Idle()
	k.ending = k.ending || end
	k.mu.Unlock()
	if end {
		k.stop()
	}
	return end
}
