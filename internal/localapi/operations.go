package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/rawjson"
	"lodge/internal/service"
	"lodge/internal/stall"
	"lodge/internal/unixhttp"
)

// Caller says for whom an operation is done: its project is found, and its file
// read, as for a command with this working directory and environment.
type Caller struct {
	// Path is the caller's working directory, absolute. The project is the one that
	// it belongs to.
	Path string `json:"path,omitempty"`
	// Project names the project instead: its label, name or id, or its directory.
	Project string `json:"project,omitempty"`
	// Environ is the environment that services get. Without it they have the one
	// that they had last, or else that of a fresh login of the user.
	Environ []string `json:"environ"`
	// UserHome is the user's home directory; "" is that of the account.
	UserHome string `json:"user_home,omitempty"`
}

// UpRequest asks for the start of services.
type UpRequest struct {
	Caller
	// Services are started with what they need; none means all.
	Services  []string           `json:"services,omitempty"`
	Engine    loopback.Engine    `json:"engine,omitempty"`
	Isolation loopback.Isolation `json:"isolation,omitempty"`
	// KeyLog says whether programs write the keys of their TLS connections; nil leaves
	// it to the project's file, and to what they were asked before.
	KeyLog *bool `json:"key_log,omitempty"`
	// Cancel ends the operation when its client goes. Else it is done to its end.
	// Services that have begun to start go on in either case.
	Cancel bool `json:"cancel,omitempty"`
}

// RestartRequest asks for the restart of services of a project that is up.
type RestartRequest struct {
	Caller
	// Services are restarted; none means all.
	Services []string `json:"services,omitempty"`
	// Cancel is as in UpRequest.
	Cancel bool `json:"cancel,omitempty"`
}

// DownRequest asks for the end of a project, or of all, or for the stop of
// services.
type DownRequest struct {
	Caller
	// Services are stopped, and the project goes on; none means the whole project.
	Services []string `json:"services,omitempty"`
	// All ends every project of the user.
	All bool `json:"all,omitempty"`
	// Cancel is as in UpRequest.
	Cancel bool `json:"cancel,omitempty"`
}

// RunRequest asks for what is needed to run one command inside a project. The
// command itself is started by the client, with [keeperapi.Client.Exec], since
// its input, its output and its terminal are the client's descriptors.
type RunRequest struct {
	Caller
	Argv []string `json:"argv"`
	// Name is what lists call the command, or "" for the program's name. Listed
	// makes it show there, and keeps its output.
	Name   string `json:"name,omitempty"`
	Listed bool   `json:"listed,omitempty"`
	// As names the service whose environment and directory it has.
	As string `json:"as,omitempty"`
	// Names makes the projects' names resolve in every program.
	Names     bool               `json:"names,omitempty"`
	Engine    loopback.Engine    `json:"engine,omitempty"`
	Isolation loopback.Isolation `json:"isolation,omitempty"`
	// KeyLog says whether programs write the keys of their TLS connections; nil leaves
	// it to the project's file, and to what they were asked before.
	KeyLog *bool `json:"key_log,omitempty"`
}

// The kinds of progress.
const (
	ProgressNotice  = "notice"  // Notice
	ProgressState   = "state"   // Services: those that changed, as they are now
	ProgressWaiting = "waiting" // Services: those that are waited for
	ProgressFailed  = "failed"  // Services: those that failed while others start; Error, after the start
	ProgressDown    = "down"    // Project: it has ended
	ProgressReady   = "ready"   // Project and Exec: the keeper can be asked to run the command
	ProgressEnd     = "end"     // the last one; Project, Error, WasUp
)

// Progress is one line of the answer to an operation. The last one has the kind
// "end"; where there is none, the daemon has ended, and what was begun goes on.
type Progress struct {
	Kind   string  `json:"kind"`
	Notice *Notice `json:"notice,omitempty"`
	// Services are some of the project's, as `lodge ls --json` has them.
	Services []service.Status `json:"services,omitempty"`
	// Project is as `lodge ls --json` has it.
	Project *Project `json:"project,omitempty"`
	// WasUp says that all services that were asked for ran before.
	WasUp bool            `json:"was_up,omitempty"`
	Exec  *keeperapi.Exec `json:"exec,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// Notice is a remark that is no error. Code is one word for programs.
type Notice struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Up starts services of a project, which is opened if need be, and returns when
// they are ready. It hands each progress to each, also the last one.
func (c *Client) Up(ctx context.Context, r UpRequest, each func(Progress) error) error {
	return c.operate(ctx, "/v1/up", r, each)
}

// Restart restarts services of a project that is up, with what its file says now,
// and returns when they are ready.
func (c *Client) Restart(ctx context.Context, r RestartRequest, each func(Progress) error) error {
	return c.operate(ctx, "/v1/restart", r, each)
}

// DownOf ends the project that is meant, or stops services of it.
func (c *Client) DownOf(ctx context.Context, r DownRequest, each func(Progress) error) error {
	return c.operate(ctx, "/v1/down", r, each)
}

// Run opens a project for a command, which it does not start: that is for the
// client, which gets the project and what its keeper is to be asked for.
func (c *Client) Run(ctx context.Context, r RunRequest, each func(Progress) error) (Project, keeperapi.Exec, error) {
	var p Project
	var x keeperapi.Exec
	err := c.operate(ctx, "/v1/run", r, func(told Progress) error {
		if told.Kind == ProgressReady && told.Project != nil && told.Exec != nil {
			p, x = *told.Project, *told.Exec
		}
		if each == nil {
			return nil
		}
		return each(told)
	})
	return p, x, err
}

// operate asks for an operation and hands each line of the answer to each, which
// may be nil. The error is that of the operation, where it has one.
func (c *Client) operate(ctx context.Context, path string, in any, each func(Progress) error) error {
	b, err := rawjson.Marshal(in)
	if err != nil {
		return err
	}
	ctx, done := c.guard(ctx)
	defer done()
	resp, err := c.do(ctx, unixhttp.Post, path, b)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	lines := json.NewDecoder(resp.Body)
	for {
		var p Progress
		if err := lines.Decode(&p); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return stall.Cause(ctx, fmt.Errorf("read the daemon's answer: %w", err))
		}
		rawjson.Restore(&p)
		if each != nil {
			if err := each(p); err != nil {
				return err
			}
		}
		if p.Kind != ProgressEnd {
			continue
		}
		if p.Error != nil {
			return p.Error
		}
		return nil
	}
}
