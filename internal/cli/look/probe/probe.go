// Package probe carries out `lodge probe`, in lodged: it finds the address that is meant,
// has package lodge/internal/probe make connections to it, and prints what answers or was
// measured. Package probecmd has the command's flags and help, without what this needs.
package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/probe/probecmd"
	"lodge/internal/probe"
)

// Run carries out the command c with its flags f and arguments argv.
func Run(k *kit.Kit, c *cobra.Command, f probecmd.Flags, argv []string) error {
	if !c.Flags().Changed("max-errors") {
		f.MaxErrors = -1 // any number, but not all
	}
	if f.HTTP == probecmd.PathOfAddress {
		f.HTTP = ""
	}
	// "--http /path ADDRESS" is what people write, although the path is optional.
	if len(argv) == 2 && f.HTTP == "" && c.Flags().Changed("http") && strings.HasPrefix(argv[0], "/") {
		f.HTTP, argv = argv[0], argv[1:]
	}
	if len(argv) != 1 {
		return &kit.UsageError{Err: fmt.Errorf("read arguments of lodge probe: one address, not %d", len(argv)), Hint: "usage: " + c.UseLine()}
	}
	t, lookup, err := findTarget(c.Context(), k, argv[0], f.UDP)
	if err != nil {
		return err
	}
	opts, many, err := readFlags(k, c, t, f)
	if err != nil {
		return err
	}
	opts.Options.Network.Lookup = lookup
	if !f.Remote {
		opts.Options.Queue = kernelQueues{}
	}
	ctx := c.Context()
	if many {
		return measure(ctx, k, t, opts, f)
	}
	return askOnce(ctx, k, t, opts.Options, f)
}

// readFlags reads the flags. many says that something is to be measured.
func readFlags(k *kit.Kit, c *cobra.Command, t probe.Target, f probecmd.Flags) (o probe.LoadOptions, many bool, err error) {
	bad := func(hint, format string, args ...any) (probe.LoadOptions, bool, error) {
		return o, false, &kit.UsageError{Err: fmt.Errorf("probe "+t.Text+": "+format, args...), Hint: hint}
	}
	set := c.Flags().Changed
	o.Options = probe.Options{Remote: f.Remote, UDP: f.UDP, Timeout: f.Timeout, User: userName(k)}
	o.Count, o.Concurrency, o.Rate, o.Duration, o.New = f.Count, f.Concurrency, f.Rate, f.Duration, f.NewConnections
	for name, n := range map[string]float64{
		"count": float64(f.Count), "concurrency": float64(f.Concurrency), "rate": f.Rate, "duration": f.Duration.Seconds(), "timeout": f.Timeout.Seconds(),
	} {
		if set(name) && !(n > 0) {
			return bad("", "--%s is not more than nothing", name)
		}
	}
	if f.Rate > 1e6 {
		return bad("", "--rate is more than a million a second")
	}
	modes := 0
	for _, on := range []bool{f.Connect, f.Echo != "", set("http")} {
		if on {
			modes++
		}
	}
	if modes > 1 {
		return bad("", "--connect, --echo and --http are one or the other")
	}
	load := set("count") || set("concurrency") || set("rate") || set("duration")
	request := f.Method != "" || len(f.Header) > 0 || f.Body != "" || f.Expect != ""
	switch {
	case f.Connect:
		o.Mode, many = probe.ModeConnect, true
	case f.Echo != "":
		if o.Size, err = readSize(f.Echo); err != nil {
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
	o.HTTP = probe.Request{Method: f.Method, Path: f.HTTP, Header: f.Header}
	if f.Expect != "" {
		if o.HTTP.Expect, err = probe.ParseExpect(f.Expect); err != nil {
			return bad("--expect 200,3xx", "%w", err)
		}
	}
	if o.HTTP.Body, err = readBody(k, f.Body); err != nil {
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
	return os.ReadFile(k.Path(name))
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

func askOnce(ctx context.Context, k *kit.Kit, t probe.Target, opts probe.Options, f probecmd.Flags) error {
	r, err := probe.One(ctx, t, opts)
	if err != nil {
		return withHint(t, err)
	}
	if f.JSON {
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
