// Command names measures what a name costs beside no name, other proxies and
// plain loopback: see bench/README.md for what each table says. It prints
// ratios; the few times that it prints are for the terminal and belong in no
// document.
//
// It needs root, works in a network namespace, with a hosts file and in a
// directory of its own, and removes all that it made, also when it fails or is
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
	peers   string
	inside  string
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

// turns is how many rounds a part has.
func (o options) turns(full, quick int) int {
	switch {
	case o.rounds > 0:
		return o.rounds
	case o.quick:
		return quick
	}
	return full
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
		fmt.Fprintln(os.Stderr, "bench/names:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	var o options
	f := flag.NewFlagSet("bench/names", flag.ContinueOnError)
	f.SetOutput(progress)
	f.BoolVar(&o.quick, "quick", false, "few short rounds: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.BoolVar(&o.install, "install", false, "first install the peers that are missing (bench/install)")
	f.StringVar(&o.only, "only", "", "parts to do, with commas: http1, h2, page, tcp, start, websockets (default: all)")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement (default: 9 for http1, h2 and page, 21 for tcp, 15 for starts)")
	f.StringVar(&o.lodge, "lodge", "", "the lodge to measure (default: built from this module)")
	f.StringVar(&o.peers, "peers", "", "where bench/install put peers (default: lodge-bench in the user's cache directory)")
	f.StringVar(&o.inside, "inside", "", "the directory of a run that has its namespaces: given by the bench to itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not one", f.Arg(0))
	}
	if os.Geteuid() != 0 {
		return errors.New("make a network namespace: it needs root")
	}
	if o.peers == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find peers: %w", err)
		}
		o.peers = filepath.Join(cache, "lodge-bench")
	}
	if o.peers, err = filepath.Abs(o.peers); err != nil {
		return err
	}
	b := &bench{opt: o, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	if o.inside == "" {
		return b.outside(ctx, args)
	}
	b.out.Machine = scratch.Machine()
	b.w = &scratch.Work{Dir: o.inside}
	b.tools = b.toolsIn()
	// What cleans up must not end with what is cleaned up after.
	defer func() { err = errors.Join(err, b.w.Close(context.WithoutCancel(ctx))) }()
	if err := b.settle(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
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

// outside builds, and then runs the bench again in namespaces of its own.
func (b *bench) outside(ctx context.Context, args []string) (err error) {
	if b.w, err = scratch.New(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.w.Close(context.WithoutCancel(ctx))) }()
	if b.opt.install {
		b.say("installing what is missing of the peers")
		if err := scratch.InstallPeers(ctx, b.opt.peers); err != nil {
			return err
		}
	}
	b.say("building lodge and the measuring programs")
	t := b.toolsIn()
	from := map[string]string{t.named: "lodge/bench/named", t.answer: "lodge/bench/answer", t.pingpong: "lodge/bench/pingpong"}
	if b.opt.lodge == "" {
		scratch.AddLodge(from, t.lodge)
	}
	if err := scratch.Build(ctx, from); err != nil {
		return err
	}
	return b.again(ctx, append(args, "-inside", b.w.Dir))
}

// measure does all parts that are asked for.
func (b *bench) measure(ctx context.Context) error {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		do   func(context.Context, *site) error
	}{{"http1", b.http1}, {"h2", b.http2}, {"page", b.page}, {"tcp", b.tcp}, {"start", b.start}, {"websockets", b.webSockets}} {
		if !b.opt.does(p.name) {
			continue
		}
		if err := p.do(ctx, s); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
	}
	return nil
}

// tools are the programs that a run builds.
type tools struct{ lodge, named, answer, pingpong string }

func (b *bench) toolsIn() tools {
	t := tools{lodge: b.w.Path("bin/lodge"), named: b.w.Path("bin/named"), answer: b.w.Path("bin/answer"), pingpong: b.w.Path("bin/pingpong")}
	if b.opt.lodge != "" {
		t.lodge = b.opt.lodge
		if abs, err := filepath.Abs(t.lodge); err == nil {
			t.lodge = abs
		}
	}
	return t
}
