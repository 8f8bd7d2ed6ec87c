// Command floods measures what floods of HTTP/2 frames cost another client of
// the proxy: the latencies of one that asks in a loop, with four flooding
// connections beside it to those without. It prints ratios; see bench/README.md.
//
// It works in a directory and with a daemon of its own, and removes what it
// made.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

type options struct {
	quick, json bool
	lodge, only string
	rounds      int
	window      time.Duration
	flood, to   string // of a child that floods
	host        string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/floods:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	var o options
	f := flag.NewFlagSet("bench/floods", flag.ContinueOnError)
	f.SetOutput(progress)
	f.BoolVar(&o.quick, "quick", false, "few short rounds: shows that everything works, and no more")
	f.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	f.StringVar(&o.lodge, "lodge", "", "the lodge to measure (default: built from this module)")
	f.StringVar(&o.only, "only", "", "kinds of floods, with commas (default: all)")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each kind (default: 5)")
	f.DurationVar(&o.window, "window", 4*time.Second, "how long a round asks")
	f.StringVar(&o.flood, "flood", "", "flood, as the bench orders it from itself")
	f.StringVar(&o.to, "to", "", "address to flood")
	f.StringVar(&o.host, "host", "", "name to ask for in a flood")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not one", f.Arg(0))
	}
	if o.flood != "" {
		return flood(ctx, o.flood, o.to, o.host)
	}
	if o.rounds == 0 {
		o.rounds = 5
	}
	if o.quick {
		o.rounds, o.window = 1, time.Second
	}
	w, err := scratch.New()
	if err != nil {
		return err
	}
	// What cleans up must not end with what is cleaned up after.
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	b := &bench{options: o, w: w, say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	if err := b.up(ctx); err != nil {
		return err
	}
	rows, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return print(out, rows)
}

// bench is one run.
type bench struct {
	options
	w    *scratch.Work
	say  func(format string, args ...any)
	to   string // the proxy
	host string // the service
}

// up builds lodge and brings up a project with a daemon of its own.
func (b *bench) up(ctx context.Context) error {
	b.say("building lodge and its service")
	answer := b.w.Path("bin/answer")
	programs := map[string]string{answer: "lodge/bench/answer"}
	if b.lodge == "" {
		b.lodge = b.w.Path("bin/lodge")
		scratch.AddLodge(programs, b.lodge)
	}
	if err := scratch.Build(ctx, programs); err != nil {
		return err
	}
	dir, err := b.w.Mkdir("app")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("version = 1\n[services.web]\ncommand = [%q, \"-listen\", \"127.0.0.1:8000\"]\n", answer)
	if err := os.WriteFile(dir+"/lodge.toml", []byte(text), 0o600); err != nil {
		return err
	}
	for _, d := range []string{"r", "s"} {
		if _, err := b.w.Mkdir(d); err != nil {
			return err
		}
	}
	do := func(ctx context.Context, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, b.lodge, args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.w.Dir, "XDG_RUNTIME_DIR=" + b.w.Path("r"), "XDG_STATE_HOME=" + b.w.Path("s")}
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("lodge %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
		}
		return string(out), nil
	}
	b.w.Later(func(ctx context.Context) error {
		_, err := do(ctx, "down")
		return err
	})
	if _, err := do(ctx, "up", "-d"); err != nil {
		return err
	}
	out, err := do(ctx, "open", "--json")
	if err != nil {
		return err
	}
	var opened struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(out), &opened); err != nil {
		return fmt.Errorf("read what lodge open --json says: %w", err)
	}
	u, err := url.Parse(opened.URL)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	b.host, b.to = u.Hostname(), net.JoinHostPort("127.0.0.1", port)
	return nil
}

// row is one kind of flood: latencies with it to those without.
type row struct {
	Flood string        `json:"flood"`
	P50   rounds.Spread `json:"p50_to_without"`
	P99   rounds.Spread `json:"p99_to_without"`
}

func (b *bench) measure(ctx context.Context) ([]row, error) {
	var out []row
	for _, kind := range kinds() {
		if b.only != "" && !strings.Contains(","+b.only+",", ","+kind+",") {
			continue
		}
		b.say("%s", kind)
		var p50, p99 []float64
		for range b.rounds {
			without, err := ask(ctx, b.to, b.host, b.window)
			if err != nil {
				return nil, fmt.Errorf("ask: %w", err)
			}
			with, err := b.beside(ctx, kind)
			if err != nil {
				return nil, fmt.Errorf("ask beside %s: %w", kind, err)
			}
			p50 = append(p50, with.p50/without.p50)
			p99 = append(p99, with.p99/without.p99)
		}
		out = append(out, row{kind, rounds.SpreadOf(p50), rounds.SpreadOf(p99)})
	}
	return out, nil
}

// beside asks while another process floods.
func (b *bench) beside(ctx context.Context, kind string) (latencies, error) {
	exe, err := os.Executable()
	if err != nil {
		return latencies{}, err
	}
	child := exec.CommandContext(ctx, exe, "-flood", kind, "-to", b.to, "-host", b.host)
	child.Stderr = os.Stderr
	begun, err := child.StdoutPipe()
	if err != nil {
		return latencies{}, err
	}
	if err := child.Start(); err != nil {
		return latencies{}, err
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait() // it was killed
	}()
	if _, err := begun.Read(make([]byte, 1)); err != nil {
		return latencies{}, fmt.Errorf("start flood: %w", err)
	}
	return ask(ctx, b.to, b.host, b.window)
}

func print(out io.Writer, rows []row) error {
	t := rounds.NewTables(out)
	t.Head("Latency of one client beside four flooding connections, without them = 1; more is slower. %s", scratch.Machine())
	t.Line("flood", "p50", "p99")
	for _, r := range rows {
		t.Line(r.Flood, rounds.Ratio(r.P50), rounds.Ratio(r.P99))
	}
	return t.Flush()
}
