package tap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/capture/pcapfile"
	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/query/exchangequery"
	"lodge/internal/selection"
	"lodge/internal/tap"
	"lodge/internal/tap/diff"
	"lodge/internal/tap/tapfile"
	"lodge/internal/tap/tapfilter"
	"lodge/internal/tap/wire"
)

// differ is one run of `lodge tap diff`.
type differ struct {
	kit   *kit.Kit
	flags tapcmd.DiffFlags
	body  int
}

// Diff carries out the command c, `lodge tap diff`, with its flags f and arguments argv.
// The exit status is 1 where there is a difference.
func Diff(k *kit.Kit, c *cobra.Command, f tapcmd.DiffFlags, argv []string) (err error) {
	d := &differ{kit: k, flags: f}
	bad := func(hint, format string, args ...any) error {
		return &kit.UsageError{Err: fmt.Errorf("tap diff: "+format, args...), Hint: hint}
	}
	if d.body, err = readSize(f.Body); err != nil {
		return bad("--body 64k", "%w", err)
	}
	files := [2]bool{d.isFile(argv[0]), d.isFile(argv[1])}
	switch {
	case files[0] != files[1]:
		i := 0
		if files[0] {
			i = 1
		}
		return bad("lodge tap diff --help", "%s is a file, %s is none: two recordings, or two projects", argv[1-i], argv[i])
	case files[0] && c.Flags().Changed("duration"):
		return bad("lodge tap diff shop shop-2 --duration 10s", "--duration is for projects, not for recordings")
	case files[0] && f.Relay:
		return bad("lodge tap diff shop shop-2 --relay", "--relay is for projects, not for recordings")
	case files[0] && f.Unix:
		return bad("lodge tap diff shop shop-2 --unix", "--unix is for projects, not for recordings")
	case f.Relay && f.Unix:
		return bad("sudo lodge setup, once", "--relay and --unix: not these together")
	case c.Flags().Changed("duration") && f.Duration <= 0:
		return bad("lodge tap diff shop shop-2 --duration 10s", "--duration is not more than nothing")
	case !files[0] && argv[0] == argv[1]:
		return bad("lodge ls", "%s is given twice: two projects", argv[0])
	}
	var runs [2]*diff.Run
	if files[0] {
		for i, name := range argv {
			if runs[i], err = d.read(c.Context(), name); err != nil {
				return err
			}
		}
	}
	again := make([]*diff.Run, len(f.Again))
	for i, name := range f.Again {
		if again[i], err = d.read(c.Context(), name); err != nil {
			return err
		}
	}
	if !files[0] {
		if runs, err = d.live(c.Context(), argv); err != nil {
			return err
		}
	}
	return d.print(diff.Compare(runs[0], runs[1], again, diff.Options{Latency: f.Latency}))
}

// print prints a report, and returns the exit status as an error.
func (d *differ) print(r *diff.Report) error {
	var err error
	if d.flags.JSON {
		err = d.kit.PrintJSON(r)
	} else {
		err = r.WriteText(d.kit.Out)
	}
	if err = kit.Printed(err); err != nil {
		return err
	}
	if r.Different {
		return &kit.ExitError{Code: kit.ExitNotDone}
	}
	return &kit.ExitError{Code: kit.ExitDone} // also where Ctrl-C ended the tap
}

// isFile reports whether an argument is a recording: it is there, or is called like one.
func (d *differ) isFile(name string) bool {
	if name == "-" {
		return true
	}
	if s, err := os.Stat(d.kit.Path(name)); err == nil && !s.IsDir() {
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jsonl", ".pcapng", ".pcap", ".cap":
		return true
	}
	return false
}

// read reads a recording. One that ends early is read as far as it goes.
func (d *differ) read(ctx context.Context, name string) (*diff.Run, error) {
	in := d.kit.Env.Stdin
	if name != "-" {
		f, err := os.Open(d.kit.Path(name))
		if err != nil {
			return nil, &kit.UsageError{Err: fmt.Errorf("tap diff: read %s: %w", name, cause(err)), Hint: "lodge tap -o main.jsonl makes one"}
		}
		defer func() { _ = f.Close() }() // only read from
		in = f
	}
	var secrets func() []pcapfile.Secrets
	if begin, err := in.Seek(0, io.SeekCurrent); err == nil {
		secrets = func() []pcapfile.Secrets { return allSecrets(in, begin) }
	}
	r := diff.NewRun(name, diff.DefaultLimits())
	buffered := bufio.NewReaderSize(in, 64<<10)
	var err error
	if isLines(buffered) {
		err = readLines(ctx, buffered, r)
	} else {
		err = d.readPackets(ctx, buffered, secrets, r)
	}
	if foreign := (*pcapfile.ForeignError)(nil); errors.As(err, &foreign) {
		return nil, &kit.UsageError{Err: fmt.Errorf("tap diff: read %s: %w", nameOf(name), err), Hint: foreignHint(foreign.Kind, nameOf(name), "tap diff - OTHER")}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		r.Lost("it ends early: " + err.Error())
		err = nil
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &kit.UsageError{Err: fmt.Errorf("tap diff: read %s: %w", name, cause(err)), Hint: "it takes .jsonl of lodge tap, pcapng and pcap, not compressed"}
	}
	return r, nil
}

// isLines reports whether a file has lines of JSON, and not packets.
func isLines(r *bufio.Reader) bool {
	head, _ := r.Peek(64) // an error comes again
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{"))
}

func readLines(ctx context.Context, in io.Reader, r *diff.Run) error {
	lines := wire.NewReader(in)
	for ctx.Err() == nil {
		x, err := lines.Next()
		if err != nil {
			if a := lines.Account(); a != nil {
				r.Account(a)
			}
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		r.Add(x)
	}
	return nil
}

// readPackets reads packets. secrets, if it is not nil, returns all keys that the file has.
func (d *differ) readPackets(ctx context.Context, in io.Reader, secrets func() []pcapfile.Secrets, r *diff.Run) error {
	src, err := tapfile.Open(in)
	if err != nil {
		return err
	}
	limits := decode.DefaultLimits()
	limits.Body = d.body
	keys := new(keyLog)
	src.Keys(keys.add)
	if secrets != nil {
		keys.lookIn(secrets)
	}
	e := tap.New(tap.Options{
		Protocols: all.Protocols(keys.config()), Decode: decode.Options{Limits: limits}, Ends: src, OriginSource: tap.SourceFile, Record: r.Add,
	})
	err = src.Run(ctx, e)
	a := e.Account()
	a.Capture = src.Capture()
	r.Account(&a)
	return err
}

// live taps this machine, and returns what two projects did. The first signal ends the
// tap and not the command.
func (d *differ) live(ctx context.Context, names []string) (runs [2]*diff.Run, err error) {
	s := split{}
	view := daemonview.Open(ctx, d.kit)
	d.kit.Warn(view.Warnings...)
	for i, name := range names {
		p, err := selection.Project(view.Projects, name, d.kit.Env.Dir)
		if err != nil {
			view.Close()
			return runs, &kit.UsageError{Err: fmt.Errorf("tap diff: %w: neither a file nor a project that is up", err), Hint: "lodge ls"}
		}
		s.projects[i] = p.Shown()
		s.runs[i] = diff.NewRun(p.Shown(), diff.DefaultLimits())
	}
	view.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if d.flags.Duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, d.flags.Duration)
		defer cancel()
	}
	signals := make(chan os.Signal, 1)
	release := d.kit.TakeSignals(signals)
	tapped, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer release()
		select {
		case <-signals:
			cancel()
		case <-tapped:
		}
	}()
	account, err := d.tap(ctx, cancel, &s)
	close(tapped)
	<-stopped
	if err != nil {
		return runs, err
	}
	for i, r := range s.runs {
		a := account
		a.Records = s.records[i]
		r.Account(&a)
	}
	return s.runs, nil
}

// tap reads the packets of this machine until the context ends.
func (d *differ) tap(ctx context.Context, stop context.CancelFunc, to *split) (tap.Account, error) {
	filter, err := tapfilter.Parse(nil, exchangequery.Options{Protocols: append(all.Names(), tap.Unknown), Now: time.Now()})
	if err != nil {
		return tap.Account{}, err
	}
	r := &run{kit: d.kit, filter: filter, body: d.body, stop: stop, out: &outputs{kit: d.kit, front: to, stop: stop}}
	if r.keys, err = openKeyLog(d.kit, &tapcmd.Flags{}); err != nil {
		return tap.Account{}, err
	}
	defer r.keys.close()
	r.flags.Unix = d.flags.Unix
	open := openLive
	if d.flags.Relay {
		open = openRelay
	}
	src, err := open(ctx, r)
	if err != nil {
		return tap.Account{}, err
	}
	until := "Ctrl-C"
	if d.flags.Duration > 0 {
		until = d.flags.Duration.String() + " are over"
	}
	fmt.Fprintf(d.kit.Err, "lodge: comparing %s with %s until %s\n", to.projects[0], to.projects[1], until)
	capture, err := src.read(ctx)
	return r.account(capture), errors.Join(err, src.close(), r.out.failed())
}

// split is the output that gives each record to the run of its project.
type split struct {
	projects [2]string
	runs     [2]*diff.Run
	records  [2]tap.Records
}

func (s *split) record(x *tap.Record) error {
	for i, p := range s.projects {
		if x.Server.Project != p && (x.Client.Project != p || x.Server.Project == s.projects[1-i]) {
			continue
		}
		s.runs[i].Add(x)
		s.records[i].Add(x)
		s.records[i].Selected++
		return nil
	}
	return nil
}

func (s *split) close(*tap.Account) error { return nil }
