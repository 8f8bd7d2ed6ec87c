// Command names measures the engine behind https://web.shop.localhost beside
// no proxy at all, nginx, haproxy, caddy, portless and net/http's plain
// ReverseProxy, in one run: see bench/README.md for what each table says. It
// prints ratios; the few times that it prints are for the terminal and belong
// in no document.
//
// It works in a directory of its own, on ports of the loopback address that
// were free, and ends what it started, also when it fails or is interrupted.
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
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// host is the name that every proxy serves.
const host = "app.localhost"

// options are what the command line says.
type options struct {
	quick, json, install bool
	only, peers, cells   string
	rounds, sockets      int
	duration             time.Duration
}

func (o options) does(part string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), part)
}

// bench is one run: what is shared by its parts.
type bench struct {
	opt   options
	dir   string
	named string // the program of bench/named
	cert  string
	key   string
	say   func(format string, args ...any) // progress, for the person who waits
	ended []func()
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
	f.BoolVar(&o.quick, "quick", false, "one short round: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.BoolVar(&o.install, "install", false, "first install the peers that are missing (bench/names/install)")
	f.StringVar(&o.only, "only", "", "parts to do, with commas: load, h2, page, sockets, first (default: all)")
	f.StringVar(&o.cells, "cells", "", "only cells of load and h2 that contain this, such as \"64 conn\"")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement (default: 7)")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "of one measurement, whole seconds")
	f.IntVar(&o.sockets, "sockets", 10000, "idle WebSockets")
	f.StringVar(&o.peers, "peers", "", "where bench/names/install put peers (default: lodge-bench in the user's cache directory)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not one", f.Arg(0))
	}
	if o.quick {
		o.duration, o.sockets = time.Second, min(o.sockets, 500)
	}
	if o.rounds == 0 {
		o.rounds = 7
		if o.quick {
			o.rounds = 1
		}
	}
	if o.peers == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find peers: %w", err)
		}
		o.peers = filepath.Join(cache, "lodge-bench")
	}
	b := &bench{opt: o, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	if b.dir, err = os.MkdirTemp("", "lodge-bench-"); err != nil {
		return fmt.Errorf("make working directory: %w", err)
	}
	defer func() {
		for _, f := range slices.Backward(b.ended) {
			f()
		}
		err = errors.Join(err, os.RemoveAll(b.dir))
	}()
	if o.install {
		if err := b.installPeers(ctx); err != nil {
			return err
		}
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		do   func(context.Context) error
	}{{"load", b.load}, {"h2", b.h2}, {"page", b.page}, {"sockets", b.sockets}, {"first", b.first}} {
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
	b.out.hold()
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(b.out)
	}
	return b.out.print(out)
}

// prepare builds the program with the engine, and makes a certificate.
func (b *bench) prepare(ctx context.Context) error {
	b.say("building bench/named")
	b.named = filepath.Join(b.dir, "named")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", b.named, "lodge/bench/named")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build bench/named: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return b.makeCertificate()
}

func (b *bench) installPeers(ctx context.Context) error {
	b.say("installing what is missing of the peers")
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find module: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", filepath.Join(strings.TrimSpace(string(out)), "bench/names/install"), b.opt.peers)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install peers: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
