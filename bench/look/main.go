// Command look measures `lodge ports`, `lodge explain` and `lodge top` beside
// ss, netstat and lsof, on populations of sockets that it makes in a network
// namespace of its own: see bench/README.md for what each table says. It
// prints ratios; the few times that it prints are for the terminal and belong
// in no document.
//
// It needs root, and removes all that it made, also when it fails or is
// interrupted.
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
	lodge   string
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
	opt      options
	w        *scratch.Work
	lodge    string
	sockload string
	say      func(format string, args ...any) // progress, for the person who waits
	out      report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/look:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	var o options
	f := flag.NewFlagSet("bench/look", flag.ContinueOnError)
	f.SetOutput(progress)
	f.BoolVar(&o.quick, "quick", false, "small populations and few rounds: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.BoolVar(&o.install, "install", false, "first install the peers that are missing (bench/install)")
	f.StringVar(&o.only, "only", "", "parts to do, with commas: 200, 10000, 200000, top (default: all)")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each size (default: 21, 11 and 5)")
	f.StringVar(&o.lodge, "lodge", "", "the lodge to measure (default: built from this module)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not one", f.Arg(0))
	}
	if os.Geteuid() != 0 {
		return errors.New("make a network namespace: it needs root")
	}
	b := &bench{opt: o, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	b.out.Machine = scratch.Machine()
	if b.w, err = scratch.New(); err != nil {
		return err
	}
	// What cleans up must not end with what is cleaned up after.
	defer func() { err = errors.Join(err, b.w.Close(context.WithoutCancel(ctx))) }()
	if o.install {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find peers: %w", err)
		}
		b.say("installing what is missing of the peers")
		if err := scratch.InstallPeers(ctx, filepath.Join(cache, "lodge-bench")); err != nil {
			return err
		}
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	b.hold()
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(b.out)
	}
	return b.out.print(out)
}

func (b *bench) build(ctx context.Context) error {
	b.say("building lodge and what makes the sockets")
	b.sockload = b.w.Path("bin/sockload")
	programs := map[string]string{b.sockload: "lodge/bench/sockload"}
	if b.opt.lodge == "" {
		b.lodge = b.w.Path("bin/lodge")
		scratch.AddLodge(programs, b.lodge)
	} else {
		abs, err := filepath.Abs(b.opt.lodge)
		if err != nil {
			return err
		}
		b.lodge = abs
	}
	return scratch.Build(ctx, programs)
}

// measure does all parts.
func (b *bench) measure(ctx context.Context) error {
	// First, since TIME_WAIT of 200,000 sockets is in the way of all that
	// reads the kernel's table, in whatever namespace they are.
	if b.opt.does("top") {
		if err := b.top(ctx); err != nil {
			return fmt.Errorf("measure top: %w", err)
		}
	}
	for _, p := range b.populations() {
		if !b.opt.does(p.name) {
			continue
		}
		if err := b.population(ctx, p); err != nil {
			return fmt.Errorf("measure %s sockets: %w", p.name, err)
		}
	}
	return nil
}
