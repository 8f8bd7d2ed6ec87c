// Package tapcmd has the flags, the arguments and the help of `lodge tap`, for lodge
// and for lodged. What the command does is in package lodge/internal/cli/look/tap, which
// needs the decoders: only lodged links it, so that they do not cost every start of lodge.
package tapcmd

import (
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
)

// Flags has the values of the flags.
type Flags struct {
	Read     string
	Output   []string
	Count    int
	Duration time.Duration
	Verbose  bool
	JSON     bool
	Stat     bool
	Follow   uint64
	Secrets  bool
	Body     string
	Packets  bool
	KeyLog   string
	Relay    bool
	Unix     bool
	TLS      bool
	Within   []string

	Descriptors []string
}

// UnixHelp is what the flag --unix does.
const UnixHelp = "also what is sent by Unix sockets; slows every system call of the machine meanwhile"

// RelayHelp is what the flag --relay does.
const RelayHelp = "without root: lead new connections to services in homes of the seccomp engine through a relay"

// DefaultBody is how much of each body is kept.
const DefaultBody = "64k"

// Work carries out the command c with its flags and arguments.
type Work = func(k *kit.Kit, c *cobra.Command, f Flags, argv []string) error

// Command returns the command lodge tap with the command diff below it. Without work,
// lodged carries them out.
func Command(k *kit.Kit, work Work, diff DiffWork) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use:   "tap [FILTER...]",
		Short: "Every request and response on loopback, with the process at both ends",
		Long: `Print each request on loopback with its response: when, which process or service asked which, what was
asked and answered, how long the answer took and how large it was. Connections that nothing accepted are told too.
It goes on until it is interrupted, -n records were printed or --duration is over.

A FILTER is a port, a protocol, a service, PROJECT/SERVICE, or a part of a path, a statement or a process's name,
or KEY=VALUE, also with != < <= > >= and ~ (contains); and, or, not and parentheses put filters together. The keys
are protocol, method, target (also path, statement), group, status, answer, failed, latency, duration, size, host,
project, service, client, server, process, pid, port, address, socket, kind, transport, connection, secure, time.

With --unix it also shows what is sent by Unix sockets, such as /run/postgresql/.s.PGSQL.5432: that slows every system
call of the machine meanwhile, so it is off unless it is asked for.

It reads the packets of this machine, which needs root once: sudo lodge setup. With --relay it needs none: it taps
the homes of this user's projects that the seccomp engine makes, by leading the connections to their services that are
made meanwhile through the process that keeps the home, which slows them.

Values of secrets (authorization, cookies, passwords) are shown as ••• unless --secrets is given.
What was seen and what was lost is told at the end, on standard error; with --json in the last line.`,
		Example: `  lodge tap
  lodge tap service=api 'status>=500'
  lodge tap postgresql 'latency>10ms' -v
  lodge tap -o run.pcapng -o run.jsonl --duration 10s
  lodge tap --unix unix
  lodge tap --relay
  lodge tap --keylog keys.log
  lodge tap --tls
  lodge tap -r run.pcapng --stat`,
		Args: cobra.ArbitraryArgs, // the words of a filter, although there is a command below
		RunE: func(c *cobra.Command, argv []string) error {
			if work == nil {
				return session.OffloadBeside(k)
			}
			return work(k, c, f, argv)
		},
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringVarP(&f.Read, "read", "r", "", "read `FILE` (pcapng, pcap, or a .jsonl of -o; - is standard input) and not packets of this machine")
	fl.StringArrayVarP(&f.Output, "output", "o", nil, "also write `FILE`: .pcapng has the packets, .jsonl the exchanges, .har those of HTTP")
	fl.BoolVar(&f.Packets, "packets", false, "only write packets, to the .pcapng file of -o: decode and print nothing")
	fl.BoolVar(&f.Unix, "unix", false, UnixHelp)
	fl.BoolVar(&f.Relay, "relay", false, RelayHelp)
	fl.IntVarP(&f.Count, "count", "n", 0, "end after `N` records")
	fl.DurationVar(&f.Duration, "duration", 0, "end a live tap after this `TIME`")
	fl.BoolVarP(&f.Verbose, "verbose", "v", false, "with headers, parameters and bodies")
	fl.BoolVar(&f.JSON, "json", false, "one JSON object a line")
	fl.BoolVar(&f.Stat, "stat", false, "count by server, endpoint and statement, and print a table at the end")
	fl.Uint64Var(&f.Follow, "follow", 0, "print the bytes of connection `NUMBER`, both directions, and no records")
	fl.StringVar(&f.KeyLog, "keylog", "", "also decrypt TLS with the keys that programs write to `FILE` where SSLKEYLOGFILE says so")
	fl.BoolVar(&f.TLS, "tls", false, "decrypt TLS with keys that are taken from processes by uprobes, of OpenSSL 3, GnuTLS and Go")
	fl.StringArrayVar(&f.Within, "tls-within", nil, "with --tls, probe programs and libraries below `DIRECTORY` only (may be repeated)")
	fl.StringArrayVar(&f.Descriptors, "descriptors", nil, "name the fields of gRPC's messages by `FILE`, which protoc --descriptor_set_out makes (may be repeated)")
	fl.BoolVar(&f.Secrets, "secrets", false, "show passwords, cookies and tokens")
	fl.StringVar(&f.Body, "body", DefaultBody, "keep so much (`SIZE`: 0, 512, 64k, 1m) of each body")
	c.AddCommand(diffCommand(k, diff))
	return c
}
