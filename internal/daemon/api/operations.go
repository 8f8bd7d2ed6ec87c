package api

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/rawjson"
)

// Operations serves the operations on projects.
type Operations struct {
	// Daemon is what they ask. Its Close does nothing: each operation calls it.
	Daemon operation.Daemon
	// Account is the environment of a fresh login of the daemon's user.
	Account []string
	Version string
	// Context ends operations when the daemon ends.
	Context context.Context
}

// Register adds the operations to the API.
func (o *Operations) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/up", o.up)
	mux.HandleFunc("POST /v1/restart", o.restart)
	mux.HandleFunc("POST /v1/down", o.down)
	mux.HandleFunc("POST /v1/run", o.run)
}

func (o *Operations) up(w http.ResponseWriter, r *http.Request) {
	var req localapi.UpRequest
	if !Read(w, r, maxOperation, &req) {
		return
	}
	o.serve(w, r, req.Caller, req.Cancel, func(ctx context.Context, ops *operation.Runner) (localapi.Progress, error) {
		got, err := ops.Up(ctx, operation.Ups{Services: req.Services, Choice: choice(string(req.Engine), string(req.Isolation), req.KeyLog), Always: true})
		return end(got), err
	})
}

func (o *Operations) restart(w http.ResponseWriter, r *http.Request) {
	var req localapi.RestartRequest
	if !Read(w, r, maxOperation, &req) {
		return
	}
	o.serve(w, r, req.Caller, req.Cancel, func(ctx context.Context, ops *operation.Runner) (localapi.Progress, error) {
		got, err := ops.Restart(ctx, operation.Restarts{Services: req.Services, Always: true})
		return end(got), err
	})
}

func (o *Operations) down(w http.ResponseWriter, r *http.Request) {
	var req localapi.DownRequest
	if !Read(w, r, maxOperation, &req) {
		return
	}
	if req.All && req.Path == "" {
		req.Path = "/" // no directory is meant
	}
	o.serve(w, r, req.Caller, req.Cancel, func(ctx context.Context, ops *operation.Runner) (localapi.Progress, error) {
		ps, err := o.Daemon.Projects(ctx, false)
		if err == nil {
			err = ops.Down(ctx, o.Daemon, ps.Projects, operation.Downs{Services: req.Services, All: req.All})
		}
		if errors.Is(err, operation.ErrNothingUp) {
			err = nil
		}
		return localapi.Progress{}, err
	})
}

func (o *Operations) run(w http.ResponseWriter, r *http.Request) {
	var req localapi.RunRequest
	if !Read(w, r, maxOperation, &req) {
		return
	}
	o.serve(w, r, req.Caller, true, func(ctx context.Context, ops *operation.Runner) (localapi.Progress, error) {
		c := operation.Command{
			Argv: req.Argv, Name: req.Name, Listed: req.Listed, As: req.As, Names: req.Names, Privileged: operation.RealRoot(),
			Choice: choice(string(req.Engine), string(req.Isolation), req.KeyLog),
		}
		return localapi.Progress{}, ops.Inside(ctx, c, func(s *localapi.Session, x keeperapi.Exec) error {
			ops.Tell(localapi.Progress{Kind: localapi.ProgressReady, Project: &s.Project, Exec: &x})
			return nil
		})
	})
}

func choice(engine, isolation string, keyLog *bool) operation.Choice {
	return operation.Choice{Engine: engine, Isolation: isolation, KeyLog: keyLog}
}

// end returns the last progress of an operation, without its error.
func end(got operation.Result) localapi.Progress {
	p := localapi.Progress{WasUp: got.WasUp}
	if len(got.Projects) > 0 {
		p.Project = &got.Projects[0]
	}
	return p
}

// serve runs an operation and answers with its progress. The operation ends with
// the daemon, and with cancels also with its client.
func (o *Operations) serve(w http.ResponseWriter, r *http.Request, c localapi.Caller, cancels bool, do func(context.Context, *operation.Runner) (localapi.Progress, error)) {
	if c.Path == "" && c.Project != "" {
		c.Path = "/"
	}
	if !filepath.IsAbs(c.Path) {
		Refuse(w, http.StatusBadRequest, errors.New("read request: path is not an absolute path, and no project is named"))
		return
	}
	ctx, cancel := context.WithCancel(o.Context)
	defer cancel()
	if cancels {
		defer context.AfterFunc(r.Context(), cancel)()
	}
	home := c.UserHome
	if home == "" {
		home = variable(o.Account, "HOME")
	}
	out := &stream{w: w}
	w.Header().Set("Content-Type", "application/x-ndjson")
	last, err := do(ctx, &operation.Runner{
		Place:   operation.Place{Dir: filepath.Clean(c.Path), Home: home, Project: c.Project},
		Environ: c.Environ, Account: o.Account, Version: o.Version,
		Connect: func(context.Context) (operation.Daemon, error) { return o.Daemon, nil },
		Tell:    out.tell,
	})
	last.Kind = localapi.ProgressEnd
	if err != nil {
		last.Error = operation.WireError(err)
	}
	out.tell(last)
}

// stream writes progress, a line each.
type stream struct {
	mu sync.Mutex // serializes writers
	w  http.ResponseWriter
}

func (s *stream) tell(p localapi.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = rawjson.Write(s.w, p) // the client may be gone
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

// variable returns a variable of an environment, or "".
func variable(environ []string, name string) string {
	for _, kv := range slices.Backward(environ) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}
