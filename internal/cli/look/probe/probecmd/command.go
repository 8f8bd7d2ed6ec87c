// Package probecmd has the flags, the arguments and the help of `lodge probe`, for lodge and
// for lodged. What the command does is in package lodge/internal/cli/look/probe, which
// needs TLS and HTTP: only lodged links it, so that they do not cost every start of lodge.
package probecmd

import (
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
)

// DefaultTimeout is that of package lodge/internal/probe, for the help.
const DefaultTimeout = 5 * time.Second

// PathOfAddress is the value of --http without a path.
const PathOfAddress = "ADDRESS's"

// Flags has the values of the flags.
type Flags struct {
	JSON, UDP, Remote, Connect, NewConnections bool

	Timeout, Duration             time.Duration
	Count, Concurrency, MaxErrors int

	Rate                             float64 // a second
	Echo, HTTP, Method, Body, Expect string
	Header                           []string
}

// Work carries out the command c with its flags and arguments.
type Work = func(k *kit.Kit, c *cobra.Command, f Flags, argv []string) error

// Command returns the command lodge probe. Without work, lodged carries it out.
func Command(k *kit.Kit, work Work) *cobra.Command {
	var f Flags
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
		RunE: func(c *cobra.Command, argv []string) error {
			if work == nil {
				return session.Offload(k)
			}
			return work(k, c, f, argv)
		},
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.BoolVar(&f.JSON, "json", false, "as JSON")
	fl.BoolVar(&f.Remote, "remote", false, "also where ADDRESS is not this machine")
	fl.BoolVar(&f.UDP, "udp", false, "by UDP")
	fl.DurationVar(&f.Timeout, "timeout", DefaultTimeout, "how long (`TIME`) one connection, or one answer, is waited for")
	fl.IntVarP(&f.Count, "count", "n", 0, "make `N` (default: 1; 1000 with -c or --rate)")
	fl.IntVarP(&f.Concurrency, "concurrency", "c", 0, "`N` at a time (default 10)")
	fl.Float64Var(&f.Rate, "rate", 0, "begin `N` in a second; latency counts from when each should have begun")
	fl.DurationVar(&f.Duration, "duration", 0, "begin no more after this `TIME` (default 1m)")
	fl.BoolVar(&f.Connect, "connect", false, "only connect, and close")
	fl.StringVar(&f.Echo, "echo", "", "send `SIZE` bytes (64, 4k, 1m) and expect the same bytes back")
	fl.StringVar(&f.HTTP, "http", "", "fetch `PATH` by HTTP/1.1 (default: ADDRESS's, or /)")
	fl.Lookup("http").NoOptDefVal = PathOfAddress
	fl.BoolVar(&f.NewConnections, "new-connections", false, "a new connection for each echo or request")
	fl.StringVarP(&f.Method, "method", "X", "", "HTTP: the `METHOD` (default GET)")
	fl.StringArrayVarP(&f.Header, "header", "H", nil, "HTTP: a `HEADER`, \"Name: value\"")
	fl.StringVar(&f.Body, "body", "", "HTTP: the `BODY`, or @FILE")
	fl.StringVar(&f.Expect, "expect", "", "HTTP: the `STATUSES` that count as success, such as 200,3xx (default: 2xx and 3xx)")
	fl.IntVar(&f.MaxErrors, "max-errors", 0, "exit with 1 where more than `N` failed (default: only where all did)")
	return c
}
