// Command home measures what a home and a start cost, beside what they stand
// on (plain loopback, a shell loop) and beside peers, in one run: see
// bench/README.md for what each table says. It prints ratios; the few times
// that it prints are for the terminal and belong in no document.
//
// It works in a directory of its own with daemons of its own, and removes all
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
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// options are what the command line says.
type options struct {
	quick   bool
	json    bool
	install bool
	only    string
	rounds  int
	soak    time.Duration
	lodge   string
	peers   string
}

func (o options) does(part string) bool {
	if o.only == "" {
		return true
	}
	for p := range strings.SplitSeq(o.only, ",") {
		if p == part {
			return true
		}
	}
	return false
}

// bench is one run: what is shared by its parts.
type bench struct {
	opt   options
	w     *scratch.Work
	tools tools
	say   func(format string, args ...any) // progress, for the person who waits
	out   report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/home:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	var o options
	f := flag.NewFlagSet("bench/home", flag.ContinueOnError)
	f.SetOutput(progress)
	f.BoolVar(&o.quick, "quick", false, "few short rounds: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.BoolVar(&o.install, "install", false, "first install the peers that are missing (bench/install)")
	f.StringVar(&o.only, "only", "", "parts to do, with commas: path, start, memory, many, soak (default: all but soak)")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement (default: 21 for the path, 9 for starts)")
	f.DurationVar(&o.soak, "soak", 0, "restart services for this long and say whether anything grows; nothing else is done")
	f.StringVar(&o.lodge, "lodge", "", "the lodge to measure (default: built from this module)")
	f.StringVar(&o.peers, "peers", "", "where bench/install put peers (default: lodge-bench in the user's cache directory)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not one", f.Arg(0))
	}
	if o.soak > 0 && o.only == "" {
		o.only = "soak"
	}
	if o.only == "" {
		o.only = "path,start,memory,many"
	}
	if o.does("soak") && o.soak == 0 {
		o.soak = 10 * time.Minute
	}
	if o.peers == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find peers: %w", err)
		}
		o.peers = filepath.Join(cache, "lodge-bench")
	}
	b := &bench{opt: o, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	b.out.Machine = scratch.Machine()
	if b.w, err = scratch.New(); err != nil {
		return err
	}
	// What cleans up must not end with what is cleaned up after.
	defer func() { err = errors.Join(err, b.w.Close(context.WithoutCancel(ctx))) }()
	if o.install {
		b.say("installing what is missing of the peers")
		if err := scratch.InstallPeers(ctx, b.opt.peers); err != nil {
			return err
		}
	}
	b.say("building lodge and the measuring programs")
	if b.tools, err = b.build(ctx); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		do   func(context.Context) error
	}{{"path", b.path}, {"start", b.start}, {"memory", b.memory}, {"many", b.many}, {"soak", b.soak}} {
		if !o.does(p.name) {
			continue
		}
		if err := p.do(ctx); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
	}
	b.hold()
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(b.out)
	}
	return b.out.print(out)
}

// tools are the programs that a run uses.
type tools struct{ lodge, pingpong, listener string }

// build compiles lodge and the measuring programs from this module.
func (b *bench) build(ctx context.Context) (tools, error) {
	t := tools{lodge: b.opt.lodge, pingpong: b.w.Path("bin/pingpong"), listener: b.w.Path("bin/listener")}
	from := map[string]string{t.pingpong: "lodge/bench/pingpong", t.listener: "lodge/bench/listener"}
	if t.lodge == "" {
		t.lodge = b.w.Path("bin/lodge")
		scratch.AddLodge(from, t.lodge)
	} else {
		abs, err := filepath.Abs(t.lodge)
		if err != nil {
			return t, err
		}
		t.lodge = abs
	}
	return t, scratch.Build(ctx, from)
}
