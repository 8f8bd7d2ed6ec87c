// Package tap carries out `lodge tap`, in lodged: packets of this machine or of a file
// become exchanges (package lodge/internal/tap), which are selected, printed, counted and
// written. Package tapcmd has the command's flags and help, without what this needs.
package tap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/protobuf"
	"lodge/internal/project"
	"lodge/internal/query/exchangequery"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfilter"
	"lodge/internal/tlssecrets"
)

// run is one run of the command.
type run struct {
	kit    *kit.Kit
	flags  tapcmd.Flags
	filter *tapfilter.Filter
	words  []string // of the filter
	body   int
	out    *outputs
	engine *tap.Engine
	lines  *tap.Account // of a file with lines; nil: it has packets, or they are live
	unix   *tap.Capture // what was counted of Unix sockets, nil: they were not tapped
	// forgotten are their connections of which there were too many.
	forgotten uint64
	keys      *keyLog
	probes    *tlssecrets.Probes // nil: none
	types     *protobuf.Files    // of gRPC; nil: none are known
	stop      context.CancelFunc
	// follows is what --follow prints, nil: nothing.
	follows *follower
}

// Run carries out the command c with its flags f and arguments argv.
func Run(k *kit.Kit, c *cobra.Command, f tapcmd.Flags, argv []string) (err error) {
	r := &run{kit: k, flags: f, words: argv}
	if err := r.readFlags(c, argv); err != nil {
		return err
	}
	// Go ends a program that writes to a pipe without a reader, unless SIGPIPE is taken: the
	// files would be left as they are.
	if f.Read == "" {
		k.SetPatience(patience)
	}
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, unix.SIGPIPE)
	defer signal.Stop(pipes)
	ctx, stop := kit.UntilReaderGone(c.Context(), k.Env.Stdout)
	defer stop()
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	if r.types, err = readDescriptors(k, f.Descriptors); err != nil {
		return err
	}
	if r.keys, err = openKeyLog(k, &f); err != nil {
		return err
	}
	defer r.keys.close()
	// The source comes first: no file is emptied for packets that cannot be had.
	src, err := r.open(ctx)
	if err != nil {
		return err
	}
	if r.out, err = newOutputs(ctx, c.Context(), k, f, r.keys, r.stop); err != nil {
		return errors.Join(err, src.close())
	}
	if r.out.cut != nil {
		r.out.cut.begin(r)
	}
	if f.Follow > 0 {
		r.follows = newFollower(c.Context(), k.Out, f.Follow, r.out.fail)
	}
	r.greet()
	if f.Duration > 0 { // from here on: on a busy machine it takes a while to begin
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Duration)
		defer cancel()
	}
	over := r.sayIfSlow(c.Context())
	defer over()
	capture, err := src.read(ctx)
	if file, ok := src.(*fileSource); ok && r.out.cut != nil && r.out.failed() == nil {
		if cerr := r.cutOut(c.Context(), file); err == nil {
			err = cerr
		}
	}
	err = errors.Join(err, src.close())
	account := r.account(capture)
	r.keys.warn()
	r.follows.close()
	if cerr := r.out.close(&account); err == nil {
		err = cerr
	}
	if err == nil && r.follows != nil && !r.follows.seen {
		err = &kit.Hinted{Err: fmt.Errorf("tap: follow connection %d: it carried nothing, or there is none", f.Follow), Hint: "lodge tap --json has the numbers of connections"}
	}
	if errors.Is(err, unix.EPIPE) {
		err = nil // its reader has gone, which is no failure
	}
	if err != nil && c.Context().Err() != nil {
		k.Warn(err.Error()) // the status will be that of the signal, without a word
	}
	return err
}

// patience is how long a run may take after a signal: what was captured until then is
// read, counted and written, which takes longest after a flood.
const patience = time.Minute

// sayIfSlow says on a terminal that a run is not over yet some time after a signal. It is
// over when the function is called that is returned.
func (r *run) sayIfSlow(interrupted context.Context) (over func()) {
	if !kit.IsTerminal(r.kit.Env.Stderr) {
		return func() {}
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(interrupted, func() {
		select {
		case <-ended:
		case <-time.After(time.Second):
			r.kit.Warn("tap: what was captured is being read; Ctrl-C again ends this without it")
		}
	})
	return func() {
		stop()
		close(ended)
	}
}

// greet says on a terminal that it has begun: nothing else does before the first exchange.
func (r *run) greet() {
	f := &r.flags
	if f.Read != "" || f.Relay || f.JSON || !kit.IsTerminal(r.kit.Env.Stderr) {
		return
	}
	until := "; Ctrl-C ends it"
	if f.Duration > 0 {
		until = " for " + f.Duration.String()
	}
	what := "lo"
	if f.Unix {
		what = "lo and Unix sockets"
	}
	fmt.Fprintf(r.kit.Err, "lodge: tapping %s%s\n", what, until)
}

// account is the account of the run.
func (r *run) account(capture tap.Capture) tap.Account {
	var a tap.Account
	if r.lines != nil {
		a = *r.lines
		r.out.count(&a.Records)
		return a
	}
	if r.engine != nil {
		a = r.engine.Account()
		r.out.count(&a.Records)
	}
	a.Capture, a.Unix = capture, r.unix
	a.Streams.Evicted += r.forgotten
	if r.probes != nil {
		a.TLS = tlsAccount(r.probes)
	}
	return a
}

// source is where packets come from.
type source interface {
	// read gives the packets to the engine of the run until there are no more, or the
	// context ends, and returns what was counted where they come from.
	read(ctx context.Context) (tap.Capture, error)
	close() error
}

// open opens the source of packets that is asked for.
func (r *run) open(ctx context.Context) (source, error) {
	if r.flags.Read != "" {
		return openFile(ctx, r)
	}
	if r.flags.Relay {
		return openRelay(ctx, r)
	}
	return openLive(ctx, r)
}

// readFlags reads what needs more than a look, before anything is opened.
func (r *run) readFlags(c *cobra.Command, argv []string) (err error) {
	bad := func(hint, format string, args ...any) error {
		return &kit.UsageError{Err: fmt.Errorf("tap: "+format, args...), Hint: hint}
	}
	f := &r.flags
	set := c.Flags().Changed
	switch {
	case set("count") && f.Count <= 0:
		return bad("lodge tap -n 10", "--count is not more than nothing")
	case set("duration") && f.Duration <= 0:
		return bad("lodge tap --duration 10s", "--duration is not more than nothing")
	case set("follow") && f.Follow == 0:
		return bad("lodge tap -r FILE --follow 1", "--follow takes the number of a connection, from 1 on")
	case set("keylog") && f.KeyLog == "":
		return bad("lodge tap --keylog keys.log", "--keylog names no file")
	case f.TLS && f.Read != "":
		return bad("lodge tap -r "+f.Read+" --keylog keys.log", "--tls takes keys from processes that run: with --read, only a key log has them")
	case f.Within != nil && !f.TLS:
		return bad("lodge tap --tls --tls-within .", "--tls-within says where --tls looks, which is not given")
	case set("read") && f.Read == "":
		return bad("lodge tap -r run.pcapng", "--read names no file")
	case f.Duration > 0 && f.Read != "":
		return bad("lodge tap -r "+f.Read+" -n 100", "--duration ends a live tap: with --read, all packets are there already")
	case f.Unix && f.Relay:
		return bad("sudo lodge setup, once", "--relay and --unix: not these together")
	case f.Unix && (f.Read != "" || f.Packets):
		return bad("lodge tap --unix", "--unix is for a live tap that decodes, without --read and --packets")
	case f.Packets && (f.Read != "" || len(f.Output) != 1 || kindOf(f.Output[0]) != ".pcapng" || f.Stat || f.Verbose || f.Follow > 0 || f.KeyLog != "" || f.TLS || len(f.Descriptors) > 0):
		return bad("lodge tap --packets -o run.pcapng", "--packets is for one file of packets, and nothing else")
	case f.Relay && f.TLS:
		return bad("lodge tap --relay --keylog keys.log", "--tls needs the machine's helper, and --relay is for where there is none: not these together")
	case f.Relay && f.Read != "":
		return bad("lodge tap --relay", "--relay and --read: not these together")
	case f.Follow > 0 && !f.Secrets:
		return bad("lodge tap --follow 1 --secrets", "--follow prints the bytes as they are, with passwords and tokens: it needs --secrets")
	case f.Follow > 0 && f.Count > 0:
		return bad("lodge tap --help", "--follow and --count: not these together")
	case f.Stat && f.Follow > 0, f.Verbose && f.JSON, f.Follow > 0 && f.JSON:
		return bad("lodge tap --help", "--json, --verbose, --stat and --follow: not these together")
	}
	if err := checkOutputs(f); err != nil {
		return bad("lodge tap -o run.pcapng -o run.jsonl", "%w", err)
	}
	if r.body, err = readSize(f.Body); err != nil {
		return bad("--body 64k", "%w", err)
	}
	r.filter, err = tapfilter.Parse(argv, exchangequery.Options{Protocols: append(all.Names(), tap.Unknown), Nearest: project.Nearest, Now: time.Now()})
	if err != nil {
		return filter.Error(err)
	}
	if f.Packets && !r.filter.All() && !r.filter.OnlyPorts() {
		return bad("lodge tap --packets -o all.pcapng, then lodge tap -r all.pcapng FILTER -o some.pcapng",
			"--packets decodes nothing: its filter can name ports and nothing else")
	}
	return nil
}

// maxBody bounds --body: it is kept for each message of each open connection.
const maxBody = 4 << 20

// readSize reads 512, 64k or 1m: bytes, in units of 1024.
func readSize(s string) (int, error) {
	digits, unit := strings.TrimRight(s, "kKmM"), 1
	switch strings.ToLower(s[len(digits):]) {
	case "":
	case "k":
		unit = 1 << 10
	case "m":
		unit = 1 << 20
	default:
		digits = ""
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if n *= uint64(unit); err != nil || n > maxBody {
		return 0, fmt.Errorf("size %q: not 0 to 4m", s)
	}
	return int(n), nil
}

// newEngine returns the engine of the run.
func (r *run) newEngine(ends tap.Ends, source tap.Source) *tap.Engine {
	limits := decode.DefaultLimits()
	limits.Body = r.body
	if r.types == nil {
		r.types = new(protobuf.Files)
	}
	protocols := all.With(r.keys.config(), r.types)
	if r.flags.Packets {
		protocols = nil
	}
	r.engine = tap.New(tap.Options{
		Protocols:    protocols,
		Decode:       decode.Options{Limits: limits, Secrets: r.flags.Secrets},
		Ends:         ends,
		OriginSource: source,
		Record:       r.record,
		Bytes:        r.follows.bytes(),
	})
	return r.engine
}

// record takes a record of the engine.
func (r *run) record(x *tap.Record) {
	r.explain(x)
	if r.flags.Follow == 0 && !r.flags.Packets && r.filter.Match(x) {
		if x.Number == 0 {
			r.out.begun(x)
			return
		}
		r.out.record(x)
	}
}
