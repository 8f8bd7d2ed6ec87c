// Command tap measures what capturing loopback costs the programs that are captured, and
// what is lost: lodge tap beside nothing, tcpdump, dumpcap, tshark and ptcpdump, and
// for Unix sockets strace, in one run: see bench/README.md. It prints ratios; the few times that it prints are for the
// terminal and belong in no document.
//
// It needs root, works in a network namespace and a directory of its own, and removes all
// that it made, also when it fails or is interrupted.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// options are what the command line says.
type options struct {
	quick, json, inside bool
	only, lodge         string
	rounds              int
	load                string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/tap:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	f := flag.NewFlagSet("bench/tap", flag.ContinueOnError)
	f.SetOutput(progress)
	f.BoolVar(&o.quick, "quick", false, "few short rounds: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.StringVar(&o.only, "only", "", "workloads to do, with commas (default: all)")
	f.IntVar(&o.rounds, "rounds", 0, "rounds (default: 5)")
	f.StringVar(&o.lodge, "lodge", "", "the lodge to measure (default: built from this module)")
	f.BoolVar(&o.inside, "inside", false, "be the process in the network namespace; not for people")
	f.StringVar(&o.load, "load", "", "be a workload's program; not for people")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.load != "" {
		return pingPong(ctx, o.load, out)
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

// bench is one run.
type bench struct {
	opt    options
	w      *scratch.Work
	say    func(format string, args ...any)
	out    report
	rounds int
	length time.Duration // of a workload
	pid    int           // the server's
}

func measure(ctx context.Context, o options, out, progress io.Writer) (err error) {
	b := &bench{opt: o, rounds: 5, length: 4 * time.Second, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	if o.quick {
		b.rounds, b.length = 1, time.Second
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
	if o.lodge == "" {
		b.say("building lodge")
		b.opt.lodge = b.w.Path("bin/lodge")
		programs := map[string]string{}
		scratch.AddLodge(programs, b.opt.lodge)
		if err := scratch.Build(ctx, programs); err != nil {
			return err
		}
	}
	for _, w := range workloads() {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), w.name) {
			continue
		}
		if err := b.workload(ctx, w); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("measure %s: %w", w.name, err)
		}
	}
	b.out.hold()
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(b.out)
	}
	return b.out.print(out)
}

// workload measures all contenders with one workload, in turns.
func (b *bench) workload(ctx context.Context, w workload) error {
	for _, p := range w.needs {
		if _, err := exec.LookPath(p); err != nil {
			b.out.Missing = append(b.out.Missing, rounds.Missing{Name: w.name, Why: p + " is missing (hint: bench/install)"})
			return nil
		}
	}
	stop, err := w.serve(ctx, b)
	if err != nil {
		return err
	}
	defer stop()
	cs := b.contenders(w)
	found := make(map[string][]sample)
	for round := range b.rounds {
		b.say("%s: round %d of %d", w.name, round+1, b.rounds)
		for _, c := range rounds.Rotated(cs, round) {
			s, err := b.one(ctx, w, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			found[c.name] = append(found[c.name], s)
		}
	}
	for _, c := range cs {
		b.out.Rows = append(b.out.Rows, rowOf(w.name, c.name, found[c.name], found[nothing]))
	}
	return nil
}

// one runs a workload once beside a contender.
func (b *bench) one(ctx context.Context, w workload, c contender) (s sample, err error) {
	var child *tapper
	if c.argv != nil {
		if child, err = startTapper(ctx, b, c); err != nil {
			return s, err
		}
	}
	load, err := w.run(ctx, b)
	if child != nil {
		var end sample
		var cerr error
		end, cerr = child.end(ctx, c)
		err = errors.Join(err, cerr)
		s = end
	}
	if err != nil {
		return s, err
	}
	s.rate, s.messages = load.rate, load.messages
	return s, nil
}
