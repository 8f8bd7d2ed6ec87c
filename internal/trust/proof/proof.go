// Package proof shows which programs on this machine trust the authority, by
// letting each make a real HTTPS request. It looks into no store: what a store
// holds and what a program makes of it are different things.
//
// Each program gets a server of its own on loopback, so that what the server
// saw of it is the evidence: a request is trust, an alert is none. The package
// installs nothing, and no program gets to the network.
package proof

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"lodge/internal/trust"
)

// State reports whether a program trusts the authority.
type State string

const (
	Trusted      State = "trusted"
	NotTrusted   State = "not trusted"
	NotInstalled State = "not installed"
	Unknown      State = "could not tell"
)

// Result is what came of one program.
type Result struct {
	Client   string        // such as "curl", or "python3 requests"
	Path     string        // the program; "" where it is not installed
	State    State         // with the environment that it was given
	Inside   State         // with the environment of a project's services
	Reason   string        // why not, in the program's words
	Hint     string        // the command that mends it
	Duration time.Duration // of all its requests
}

// Options say what to prove.
type Options struct {
	Authority *trust.Authority
	// Clients are the names of those to ask; none is all.
	Clients []string
	// Home is the user's home directory, where browsers look for databases.
	Home string
	// Path is the search path for programs.
	Path string
	// Environ is the environment of the programs, as the user's shell has it.
	Environ []string
	// Inside is what a project's services get on top of it: KEY=value.
	Inside []string
	// Patience bounds one request; 0 is 30 seconds.
	Patience time.Duration
	// Parallel is how many programs run at once; 0 is 2.
	Parallel int
}

// The names that are asked for. Java names no server to the other side whose
// name has no dot, and programs that cannot be told a name's address may find
// none for what is below localhost.
const (
	dotted = "trust-check.lodge.localhost"
	plain  = "localhost"
)

// ErrClient is the cause where a client's name is not known.
var ErrClient = errors.New("no such client")

// Names returns the clients that Run knows, in its order.
func Names() []string {
	var all []string
	for _, c := range clients() {
		all = append(all, c.name)
	}
	return all
}

// Run asks the clients, and gives a result for each in the order of Names.
func Run(ctx context.Context, o Options) ([]Result, error) {
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Parallel == 0 {
		o.Parallel = 2
	}
	for _, name := range o.Clients {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("ask %q: %w", name, ErrClient)
		}
	}
	dir, err := os.MkdirTemp("", "lodge-proof-*")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)

	var asked []client
	for _, c := range clients() {
		if len(o.Clients) == 0 || slices.Contains(o.Clients, c.name) {
			asked = append(asked, c)
		}
	}
	results := make([]Result, len(asked))
	slots := make(chan struct{}, o.Parallel)
	var wg sync.WaitGroup
	for i, c := range asked {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = ask(ctx, o, c, dir)
		})
	}
	wg.Wait()
	return results, ctx.Err()
}

// ask lets one client try, first as in the user's shell, then as in a project
// if that makes a difference.
func ask(ctx context.Context, o Options, c client, dir string) Result {
	start := time.Now()
	r := Result{Client: c.name, Path: find(o.Path, c.programs...)}
	if r.Path == "" {
		r.State, r.Inside = NotInstalled, NotInstalled
		return r
	}
	r.State, r.Reason = try(ctx, o, c, r.Path, dir, nil)
	r.Inside = r.State
	if r.State == NotTrusted && len(o.Inside) > 0 {
		r.Inside, _ = try(ctx, o, c, r.Path, dir, o.Inside)
	}
	if r.State == NotTrusted {
		r.Hint = c.hint(o.Authority)
	}
	r.Duration = time.Since(start)
	return r
}
