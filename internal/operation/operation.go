// Package operation has what is done with a project as a whole, each once:
// start it (up), restart and stop its services, end it (down), and prepare a
// command that runs inside (run, exec).
//
// An operation reads the project's file, asks the daemon for the home and the
// keeper, and the keeper for the rest. It formats no results: it returns values,
// reports progress as [localapi.Progress], and errors with a hint.
//
// The command line runs operations in its own process, and the daemon runs the
// same ones for clients of its API (POST /v1/up and so on). So an `up` of the
// command line goes on when the daemon is killed, works with a daemon of another
// version, and reads lodge.toml with the groups and in the mount namespace of the
// shell, while a page or another program needs one request and no copy of this.
package operation

import (
	"context"

	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// Daemon is what operations ask of the daemon. [*localapi.Client] implements it.
type Daemon interface {
	Open(ctx context.Context, r localapi.OpenRequest) (localapi.Project, error)
	Projects(ctx context.Context, all bool) (localapi.Projects, error)
	HostNames(ctx context.Context) (localapi.HostNames, error)
	Down(ctx context.Context, id string) error
	Kill(ctx context.Context, id string) error
	TrustEnviron(ctx context.Context, set []string) (localapi.TrustEnviron, error)
	Close()
}

// Runner runs operations for one caller.
type Runner struct {
	Place
	// Environ is the environment that services and commands get. With nil it is
	// the one that the project's services have, if they run, else Account.
	Environ []string
	// Account is the environment of a fresh login of the user.
	Account []string
	// Version is compared with those of keepers.
	Version string
	// Connect returns the daemon, started if need be. The caller closes it.
	Connect func(context.Context) (Daemon, error)
	// Tell is told of progress and notices, by one goroutine at a time.
	Tell func(localapi.Progress)
	// Halted is told that a keeper that is waited for does not run; nil: nothing
	// is told.
	Halted func(*stall.Error)
}

// The codes of notices.
const (
	NoticeEngine    = "engine"     // what the daemon says of the engine
	NoticeNoEngine  = "no_engine"  // the home is an address only
	NoticeSettings  = "settings"   // the file says what the running home cannot take over
	NoticeMoved     = "moved"      // the directory was renamed or replaced
	NoticeVersion   = "version"    // the keeper is of another version
	NoticeTrust     = "trust"      // services do not trust HTTPS names
	NoticeNoEnviron = "no_environ" // a command does without the project's environment
)

func note(r *Runner, code, text string) {
	r.Tell(localapi.Progress{Kind: localapi.ProgressNotice, Notice: &localapi.Notice{Code: code, Text: text}})
}

// usage returns the error of a request that is wrong in itself; its exit status
// is 2.
func usage(message, hint string) error {
	return &localapi.Error{Message: message, Hint: hint, Status: 2}
}
