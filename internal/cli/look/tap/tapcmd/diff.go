package tapcmd

import (
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
)

// DiffFlags has the values of the flags of `lodge tap diff`.
type DiffFlags struct {
	Again    []string
	Latency  bool
	JSON     bool
	Duration time.Duration
	Body     string
	Relay    bool
	Unix     bool
}

// DiffWork carries out `lodge tap diff`.
type DiffWork = func(k *kit.Kit, c *cobra.Command, f DiffFlags, argv []string) error

// diffCommand returns the command lodge tap diff. Without work, lodged carries it out.
func diffCommand(k *kit.Kit, work DiffWork) *cobra.Command {
	var f DiffFlags
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two recordings, or two projects that are up, exchange by exchange",
		Long: `Compare two recordings of lodge tap, or what two projects do from now on: which requests and statements there are
in one only, or more often, and which statuses, headers, bodies and sizes differ. Exchanges are aligned by server,
protocol, method and what was asked without what identifies one of many; their order and connections do not matter.

A and B are files (.jsonl of lodge tap, pcapng, pcap; - is standard input) or projects, which are tapped until
Ctrl-C or for --duration. What differs from run to run is left out: dates, ETags, cookies and the like are known,
the rest is learned from further runs of A's side, each given with --again.

The exit status is 0 without a difference, 1 with one, and 2 where a recording cannot be read.`,
		Example: `  lodge tap diff main.jsonl branch.jsonl --again main-2.jsonl
  lodge tap diff shop shop-2 --duration 10s
  lodge tap diff a.pcapng b.pcapng --json`,
		Args: kit.Args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, argv []string) error {
			if work == nil {
				return session.OffloadBeside(k)
			}
			return work(k, c, f, argv)
		},
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringArrayVar(&f.Again, "again", nil, "a further run of A's side is in `FILE`: what differs between them is left out (may be repeated)")
	fl.BoolVar(&f.Latency, "latency", false, "also tell medians of latencies that differ by a factor of four, of ten exchanges or more")
	fl.DurationVar(&f.Duration, "duration", 0, "of two projects: end after this `TIME`")
	fl.BoolVar(&f.Relay, "relay", false, "of two projects: without root, as lodge tap --relay does")
	fl.BoolVar(&f.Unix, "unix", false, "of two projects: also what is sent by Unix sockets, as lodge tap --unix does")
	fl.BoolVar(&f.JSON, "json", false, "as JSON")
	fl.StringVar(&f.Body, "body", DefaultBody, "compare so much (`SIZE`: 0, 512, 64k, 1m) of each body of packets")
	return c
}
