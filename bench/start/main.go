// Command start measures how long lodge's commands take to start, beside ss and a
// Go program that prints one line, in a network namespace of its own with 200
// sockets: see bench/README.md. It prints ratios, the size of the programs, and the
// memory of a keeper and of the helper.
//
// It needs root, and removes all that it made, also when it fails or is interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// options are what the command line says.
type options struct {
	quick  bool
	json   bool
	rounds int
	lodge  string
	inside bool
}

// bench is one run.
type bench struct {
	opt    options
	w      *scratch.Work
	lodge  string
	hello  string
	rounds int
	say    func(format string, args ...any) // progress, for the person who waits
	out    report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var ex *exec.ExitError
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.As(err, &ex):
		os.Exit(1) // the process in the namespace has said why
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench/start:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	f := flag.NewFlagSet("bench/start", flag.ContinueOnError)
	f.SetOutput(progress)
	f.BoolVar(&o.quick, "quick", false, "few rounds: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.IntVar(&o.rounds, "rounds", 0, "rounds (default: 41)")
	f.StringVar(&o.lodge, "lodge", "", "the lodge to measure (default: built from this module)")
	f.BoolVar(&o.inside, "inside", false, "be the process in the network namespace; not for people")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not one", f.Arg(0))
	}
	if os.Geteuid() != 0 {
		return errors.New("make a network namespace: it needs root")
	}
	if !o.inside {
		return enter(ctx, args, out, progress)
	}
	return measure(ctx, o, out, progress)
}

// enter runs this program again in a network namespace of its own, whose end is
// that of the namespace.
func enter(ctx context.Context, args []string, out, progress io.Writer) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe, append([]string{"-inside"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, progress
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 3 * time.Minute // it removes what it made
	return cmd.Run()
}

func measure(ctx context.Context, o options, out, progress io.Writer) (err error) {
	b := &bench{opt: o, rounds: 41, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	if o.quick {
		b.rounds = 3
	}
	if o.rounds > 0 {
		b.rounds = o.rounds
	}
	b.out.Machine, b.out.Rounds = scratch.Machine(), b.rounds
	if err := scratch.IP(ctx, "link", "set", "lo", "up"); err != nil {
		return err
	}
	if b.w, err = scratch.New(); err != nil {
		return err
	}
	// What cleans up must not end with what is cleaned up after.
	defer func() { err = errors.Join(err, b.w.Close(context.WithoutCancel(ctx))) }()
	if err := b.build(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	b.out.hold()
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(b.out)
	}
	return b.out.print(out)
}

// programs are lodge's, in the order in which they are told.
var programs = [...]string{"lodge", "lodged", "lodge-keeper", "lodge-helper"}

func (b *bench) build(ctx context.Context) error {
	b.say("building lodge, the small program and what makes the sockets")
	b.hello = b.w.Path("bin/hello")
	build := map[string]string{b.hello: "lodge/bench/start/hello", b.w.Path("bin/sockload"): "lodge/bench/sockload"}
	b.lodge = b.w.Path("bin/lodge")
	if b.opt.lodge == "" {
		scratch.AddLodge(build, b.lodge)
	} else if err := b.copyPrograms(); err != nil {
		return err
	}
	if err := scratch.Build(ctx, build); err != nil {
		return err
	}
	for _, name := range slices.Concat(programs[:], []string{"hello"}) {
		st, err := os.Stat(b.w.Path("bin/" + name))
		if err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
		b.out.Programs = append(b.out.Programs, program{name, st.Size()})
	}
	return nil
}

// copyPrograms copies the lodge that is measured, so that its processes are known by
// where their program is.
func (b *bench) copyPrograms() error {
	for _, name := range programs {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(b.opt.lodge), name))
		if err != nil {
			return fmt.Errorf("read program: %w", err)
		}
		if err := os.WriteFile(b.w.Path("bin/"+name), data, 0o755); err != nil {
			return fmt.Errorf("copy program: %w", err)
		}
	}
	return nil
}
