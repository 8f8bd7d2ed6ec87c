// Package probe is `lodge probe`: it finds the address that is meant, has package
// lodge/internal/probe make connections to it, and prints what answers or was measured.
package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/probe"
)

// flags has the flags of lodge probe.
type flags struct {
	asJSON, udp, remote, connect, fresh bool
	timeout, duration                   time.Duration
	count, concurrency, maxErrors       int
	rate                                float64
	echo, http, method, body, expect    string
	header                              []string
}

// Command returns the command lodge probe.
func Command(k *kit.Kit) *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "probe [flags] ADDRESS",
		Short: "Make connections to an address: say what answers, or measure it",
		Long: "Say what answers at ADDRESS, and how long each step took; or, with -n, -c, --rate or --duration, make many connections and measure them.\n" +
			"ADDRESS is a PORT, :PORT, HOST:PORT, [IPV6]:PORT, a URL, a name, or a SERVICE or PROJECT/SERVICE that is up.\n" +
			"It must be this machine's, unless --remote is given.\n" +
			"What answers is found by asking, with questions that change nothing. Exit status 1 says that nothing answered.",
		Example: "  lodge probe 5432\n" +
			"  lodge probe shop/web                  # where that service listens\n" +
			"  lodge probe https://localhost:8443/health\n" +
			"  lodge probe -n 10000 -c 50 http://localhost:3000/\n" +
			"  lodge probe --rate 500 --duration 10s --http=/health :8080\n" +
			"  lodge exec -- lodge probe 5432        # from inside the project's home",
		Args: kit.Args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error { return run(k, c, argv, f) },
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.BoolVar(&f.asJSON, "json", false, "as JSON")
	fl.BoolVar(&f.remote, "remote", false, "also where ADDRESS is not this machine")
	fl.BoolVar(&f.udp, "udp", false, "by UDP")
	fl.DurationVar(&f.timeout, "timeout", probe.DefaultTimeout, "how long (`TIME`) one connection, or one answer, is waited for")
	fl.IntVarP(&f.count, "count", "n", 0, "make `N` (default: 1; 1000 with -c or --rate)")
	fl.IntVarP(&f.concurrency, "concurrency", "c", 0, "`N` at a time (default 10)")
	fl.Float64Var(&f.rate, "rate", 0, "begin `N` in a second; latency counts from when each should have begun")
	fl.DurationVar(&f.duration, "duration", 0, "begin no more after this `TIME` (default 1m)")
	fl.BoolVar(&f.connect, "connect", false, "only connect, and close")
	fl.StringVar(&f.echo, "echo", "", "send `SIZE` bytes (64, 4k, 1m) and expect the same bytes back")
	fl.StringVar(&f.http, "http", "", "fetch `PATH` by HTTP/1.1 (default: ADDRESS's, or /)")
	fl.Lookup("http").NoOptDefVal = pathOfAddress
	fl.BoolVar(&f.fresh, "new-connections", false, "a new connection for each echo or request")
	fl.StringVarP(&f.method, "method", "X", "", "HTTP: the `METHOD` (default GET)")
	fl.StringArrayVarP(&f.header, "header", "H", nil, "HTTP: a `HEADER`, \"Name: value\"")
	fl.StringVar(&f.body, "body", "", "HTTP: the `BODY`, or @FILE")
	fl.StringVar(&f.expect, "expect", "", "HTTP: the `STATUSES` that count as success, such as 200,3xx (default: 2xx and 3xx)")
	fl.IntVar(&f.maxErrors, "max-errors", 0, "exit with 1 where more than `N` failed (default: only where all did)")
	return c
}

// pathOfAddress is --http without a path.
const pathOfAddress = "ADDRESS's"

func run(k *kit.Kit, c *cobra.Command, argv []string, f flags) error {
	if !c.Flags().Changed("max-errors") {
		f.maxErrors = -1 // any number, but not all
	}
	if f.http == pathOfAddress {
		f.http = ""
	}
	// "--http /path ADDRESS" is what people write, although the path is optional.
	if len(argv) == 2 && f.http == "" && c.Flags().Changed("http") && strings.HasPrefix(argv[0], "/") {
		f.http, argv = argv[0], argv[1:]
	}
	if len(argv) != 1 {
		return &kit.UsageError{Err: fmt.Errorf("read arguments of lodge probe: one address, not %d", len(argv)), Hint: "usage: " + c.UseLine()}
	}
	t, lookup, err := findTarget(c.Context(), k, argv[0], f.udp)
	if err != nil {
		return err
	}
	opts, many, err := readFlags(k, c, t, f)
	if err != nil {
		return err
	}
	opts.Options.Network.Lookup = lookup
	if !f.remote {
		opts.Options.Queue = kernelQueues{}
	}
	ctx := c.Context()
	if many {
		return measure(ctx, k, t, opts, f)
	}
	return askOnce(ctx, k, t, opts.Options, f)
}

// readFlags reads the flags. many says that something is to be measured.
func readFlags(k *kit.Kit, c *cobra.Command, t probe.Target, f flags) (o probe.LoadOptions, many bool, err error) {
	bad := func(hint, format string, args ...any) (probe.LoadOptions, bool, error) {
		return o, false, &kit.UsageError{Err: fmt.Errorf("probe "+t.Text+": "+format, args...), Hint: hint}
	}
	set := c.Flags().Changed
	o.Options = probe.Options{Remote: f.remote, UDP: f.udp, Timeout: f.timeout, User: userName(k)}
	o.Count, o.Concurrency, o.Rate, o.Duration, o.New = f.count, f.concurrency, f.rate, f.duration, f.fresh
	for name, n := range map[string]float64{
		"count": float64(f.count), "concurrency": float64(f.concurrency), "rate": f.rate, "duration": f.duration.Seconds(), "timeout": f.timeout.Seconds(),
	} {
		if set(name) && !(n > 0) {
			return bad("", "--%s is not more than nothing", name)
		}
	}
	if f.rate > 1e6 {
		return bad("", "--rate is more than a million a second")
	}
	modes := 0
	for _, on := range []bool{f.connect, f.echo != "", set("http")} {
		if on {
			modes++
		}
	}
	if modes > 1 {
		return bad("", "--connect, --echo and --http are one or the other")
	}
	load := set("count") || set("concurrency") || set("rate") || set("duration")
	request := f.method != "" || len(f.header) > 0 || f.body != "" || f.expect != ""
	switch {
	case f.connect:
		o.Mode, many = probe.ModeConnect, true
	case f.echo != "":
		if o.Size, err = readSize(f.echo); err != nil {
			return bad("--echo 64", "%w", err)
		}
		o.Mode, many = probe.ModeEcho, true
	case set("http") || request || load && isHTTP(t.Scheme):
		o.Mode, many = probe.ModeHTTP, true
	case load:
		o.Mode, many = probe.ModeConnect, true
	}
	if request && o.Mode != probe.ModeHTTP {
		return bad("add --http", "--method, --header, --body and --expect are for HTTP")
	}
	if many && !load {
		o.Count = 1
	}
	o.HTTP = probe.Request{Method: f.method, Path: f.http, Header: f.header}
	if f.expect != "" {
		if o.HTTP.Expect, err = probe.ParseExpect(f.expect); err != nil {
			return bad("--expect 200,3xx", "%w", err)
		}
	}
	if o.HTTP.Body, err = readBody(k, f.body); err != nil {
		return o, false, fmt.Errorf("probe %s: read body: %w", t.Text, err)
	}
	if len(o.HTTP.Body) > 0 && o.HTTP.Method == "" {
		o.HTTP.Method = "POST"
	}
	return o, many, nil
}

func isHTTP(scheme string) bool {
	switch scheme {
	case "http", "https", "ws", "wss":
		return true
	}
	return false
}

// userName returns the user as which PostgreSQL's own programs would log in.
func userName(k *kit.Kit) string {
	for _, key := range []string{"PGUSER", "USER", "LOGNAME"} {
		if name := k.Getenv(key); name != "" && !strings.ContainsRune(name, 0) && len(name) < 64 {
			return name
		}
	}
	if os.Geteuid() == 0 {
		return "root"
	}
	return "postgres"
}

// readBody returns the text itself, or a file's content after @.
func readBody(k *kit.Kit, s string) ([]byte, error) {
	name, isFile := strings.CutPrefix(s, "@")
	if !isFile {
		return []byte(s), nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(k.Env.Dir, name)
	}
	return os.ReadFile(name)
}

// readSize reads 64, 4k or 1m: bytes, in units of 1024.
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
	if n *= uint64(unit); err != nil || n < 1 || n > probe.MaxEcho {
		return 0, fmt.Errorf("size %q: not 1 to %d bytes", s, probe.MaxEcho)
	}
	return int(n), nil
}

func askOnce(ctx context.Context, k *kit.Kit, t probe.Target, opts probe.Options, f flags) error {
	r, err := probe.One(ctx, t, opts)
	if err != nil {
		return withHint(t, err)
	}
	if f.asJSON {
		if err := k.PrintJSON(r); err != nil {
			return err
		}
	} else if r.Result == probe.Answered {
		printAnswer(k, r, opts.Timeout)
	}
	return unanswered(t, r)
}

// withHint returns the error of a probe with its hint.
func withHint(t probe.Target, err error) error {
	var remote *probe.Remote
	var option *probe.OptionError
	err = fmt.Errorf("probe %s: %w", t.Text, err)
	if errors.As(err, &remote) {
		return &kit.Hinted{Err: err, Hint: "nothing was sent there; to do it nevertheless add --remote"}
	}
	if errors.As(err, &option) {
		return &kit.UsageError{Err: err, Hint: "lodge probe --help"}
	}
	return err
}
