package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"lodge/internal/pace"
	"lodge/internal/socketevents"
)

// Program is what the program lodged is started with.
type Program struct {
	Args    []string // "daemon" and its flags
	Version string
	// Keeper is the program that keepers run, Helper the privileged one; both are
	// paths.
	Keeper, Helper string
	Stderr         *os.File
	// Processors is GOMAXPROCS of the environment, or "".
	Processors string
	// Path is PATH of the environment, or "".
	Path string
}

// linger is how long a daemon that a command started stays when nothing is up.
const linger = time.Second

// readyFD is where the process that starts a daemon in the background reads that it
// answers, or why it does not: one line, "ok", "busy" or an error.
const readyFD = 3

// Main runs the daemon until ctx ends. An error in the arguments is a
// [*UsageError].
func Main(ctx context.Context, p Program) error {
	cfg := Config{
		Keeper: p.Keeper, Helper: p.Helper, Version: p.Version, Path: p.Path, Output: p.Stderr,
		Log: slog.New(slog.NewTextHandler(p.Stderr, nil)),
	}
	var background bool
	flags := flag.NewFlagSet("lodged daemon", flag.ContinueOnError)
	flags.SetOutput(p.Stderr)
	flags.StringVar(&cfg.Dirs.Runtime, "runtime-dir", "", "where its socket is")
	flags.StringVar(&cfg.Dirs.State, "state-dir", "", "where its state and logs are")
	flags.StringVar(&cfg.HostsFile, "hosts", "", "as root: keep the names below .test in this hosts file")
	flags.BoolVar(&cfg.LiveMap, "live", false, "note from now on who opens and closes connections")
	flags.BoolVar(&background, "background", false, "end when nothing is up, and tell on descriptor 3 when it answers")
	switch {
	case len(p.Args) == 0 || p.Args[0] != "daemon":
		return &UsageError{errors.New("lodged is started by lodge; for a daemon in the foreground: lodge daemon")}
	case flags.Parse(p.Args[1:]) != nil:
		return &UsageError{errors.New("read flags of lodged")}
	case flags.NArg() > 0:
		return &UsageError{fmt.Errorf("read arguments of lodged: %q is one too many", flags.Arg(0))}
	case cfg.Dirs.Runtime == "" || cfg.Dirs.State == "":
		return &UsageError{errors.New("read flags of lodged: --runtime-dir and --state-dir are needed")}
	}
	ctx, stop := context.WithCancel(ctx)
	pace := pace.New(p.Processors)
	cfg.Busy, cfg.SocketInterval = pace.Wake, socketevents.Interval
	var paced sync.WaitGroup
	defer paced.Wait()
	paced.Go(func() { pace.Run(ctx) })
	defer stop()
	say := func(string) {}
	if background {
		cfg.Linger = linger
		ready := os.NewFile(readyFD, "ready")
		say = func(word string) {
			_, _ = fmt.Fprintln(ready, word) // the process that started it may be gone
			_ = ready.Close()
		}
	}
	d, err := New(ctx, cfg)
	if errors.Is(err, ErrRunning) && background {
		say("busy")
		return nil
	}
	if err != nil {
		say(err.Error())
		return err
	}
	return d.Run(ctx, func() { say("ok") })
}

// UsageError is wrong arguments of the program.
type UsageError struct{ err error }

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }
