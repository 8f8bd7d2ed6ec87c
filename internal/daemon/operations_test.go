package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/operation"
	"lodge/internal/service"
)

const twoServices = `version = 1
name = "shop"
[services.db]
command = "sleep 1000"
ready = false
[services.web]
command = "sh -c 'echo \"$WORD $OTHER\" >>words; exec sleep 1000'"
needs = ["db"]
env = { OTHER = "the file's" }
ready = { command = "test -s words" }
`

// caller writes a project's file and returns the one who asks from its directory.
func (r *rig) caller(name, text string, environ ...string) localapi.Caller {
	r.t.Helper()
	dir := filepath.Join(r.dir, name)
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "lodge.toml"), []byte(text), 0o600)); err != nil {
		r.t.Fatal(err)
	}
	if environ != nil {
		environ = append(environ, "PATH="+os.Getenv("PATH"))
	}
	return localapi.Caller{Path: dir, Environ: environ}
}

// told collects progress.
type told []localapi.Progress

func (all *told) each(p localapi.Progress) error {
	*all = append(*all, p)
	return nil
}

// states are the states of a service, in the order in which they were told.
func (all told) states(name string) (out []service.State) {
	for _, p := range all {
		for _, s := range p.Services {
			if p.Kind == localapi.ProgressState && s.Name == name {
				out = append(out, s.State)
			}
		}
	}
	return slices.Compact(out)
}

func (all told) last() localapi.Progress { return all[len(all)-1] }

func words(t *testing.T, c localapi.Caller) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Path, "words"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A client of the API starts, restarts and ends a project, and needs to know
// nothing but its directory.
func TestOperations(t *testing.T) {
	r := newRig(t)
	r.start()
	c := r.caller("shop", twoServices, "WORD=the caller's")

	var up told
	if err := r.api.Up(r.ctx, localapi.UpRequest{Caller: c, Engine: loopback.None}, up.each); err != nil {
		t.Fatal(err)
	}
	p := up.last().Project
	if up.last().Kind != localapi.ProgressEnd || up.last().WasUp || p == nil || p.Name != "shop" || p.Path != c.Path || len(p.Services) != 2 {
		t.Fatalf("the end: %+v", up.last())
	}
	for _, s := range p.Services {
		if s.State != service.Up {
			t.Errorf("%s is %s", s.Name, s.State)
		}
	}
	ps, err := r.api.Projects(r.ctx, false)
	if err != nil || len(ps.Projects) != 1 || ps.Projects[0].ID != p.ID || ps.Projects[0].Label != p.Label || ps.Projects[0].Services[1].PID != p.Services[1].PID {
		t.Errorf("listed: %+v, %v", ps, err)
	}
	if got := words(t, c); got != "the caller's the file's\n" {
		t.Errorf("it has %q", got)
	}

	// Asked again, from below, by a client that has no environment.
	below := filepath.Join(c.Path, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	var again told
	if err := r.api.Up(r.ctx, localapi.UpRequest{Caller: localapi.Caller{Path: below}}, again.each); err != nil || !again.last().WasUp || again.last().Project.ID != p.ID {
		t.Errorf("again: %+v, %v", again, err)
	}

	var restart told
	if err := r.api.Restart(r.ctx, localapi.RestartRequest{Caller: localapi.Caller{Project: "shop"}, Services: []string{"web"}}, restart.each); err != nil {
		t.Fatal(err)
	}
	after := restart.last().Project.Services
	if after[0].PID != p.Services[0].PID || after[1].PID == p.Services[1].PID || after[1].State != service.Up {
		t.Errorf("restart of web: %+v", after)
	}
	if got := words(t, c); got != strings.Repeat("the caller's the file's\n", 2) {
		t.Errorf("after the restart it has %q", got)
	}

	if err := r.api.DownOf(r.ctx, localapi.DownRequest{Caller: c, Services: []string{"web"}}, nil); err != nil {
		t.Error(err)
	}
	if ps, err := r.api.Projects(r.ctx, false); err != nil || len(ps.Projects) != 1 || ps.Projects[0].Services[1].State != service.Stopped || ps.Projects[0].Services[0].State != service.Up {
		t.Errorf("web is stopped: %+v, %v", ps, err)
	}
	var down told
	if err := r.api.DownOf(r.ctx, localapi.DownRequest{All: true}, down.each); err != nil {
		t.Fatal(err)
	}
	if len(down) != 2 || down[0].Kind != localapi.ProgressDown || down[0].Project.ID != p.ID || !gone(p.Services[0].PID) {
		t.Errorf("down: %+v", down)
	}
	// Nothing is up: no error, and nothing told but the end.
	down = nil
	if err := r.api.DownOf(r.ctx, localapi.DownRequest{Caller: c}, down.each); err != nil || len(down) != 1 {
		t.Errorf("down again: %+v, %v", down, err)
	}
}

// While services start, each of their states is told.
func TestProgressOfUp(t *testing.T) {
	r := newRig(t)
	r.start()
	c := r.caller("shop", strings.ReplaceAll(twoServices, "test -s words", "test -e go"), "WORD=x")
	var up told
	err := r.api.Up(r.ctx, localapi.UpRequest{Caller: c, Engine: loopback.None}, func(p localapi.Progress) error {
		if slices.ContainsFunc(p.Services, func(s service.Status) bool { return s.Name == "web" && s.State == service.Starting }) {
			if err := os.WriteFile(filepath.Join(c.Path, "go"), nil, 0o600); err != nil {
				return err
			}
		}
		return up.each(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := up.states("web"); !slices.Contains(got, service.Starting) {
		t.Errorf("web: %v", got)
	}
}

func TestOperationsThatFail(t *testing.T) {
	r := newRig(t)
	r.start()
	good := r.caller("shop", twoServices, "WORD=x")
	bad := r.caller("bad", "version = 1\n[services.web]\ncomand = \"true\"\n", "A=b")
	fails := r.caller("fails", "version = 1\n[services.web]\ncommand = \"sh -c 'echo it broke; exit 3'\"\nrestart = \"never\"\nready = { command = \"false\" }\n", "A=b")
	empty := localapi.Caller{Path: r.dir, Environ: []string{}}

	as := func(err error) *localapi.Error {
		t.Helper()
		var e *localapi.Error
		if !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		return e
	}
	up := func(c localapi.Caller, services ...string) (told, *localapi.Error) {
		t.Helper()
		var all told
		err := r.api.Up(r.ctx, localapi.UpRequest{Caller: c, Services: services, Engine: loopback.None}, all.each)
		return all, as(err)
	}
	if _, e := up(bad); e.Status != 2 || e.File != filepath.Join(bad.Path, "lodge.toml") || e.Line != 3 || e.Column != 1 || !strings.Contains(e.Message, "lodge.toml:3:1: ") {
		t.Errorf("a mistake in the file: %+v", e)
	}
	if _, e := up(good, "nosuch"); e.Status != 2 || !strings.Contains(e.Hint, "db, web") {
		t.Errorf("no such service: %+v", e)
	}
	if _, e := up(empty); e.Status != 0 || !strings.Contains(e.Hint, "lodge run") {
		t.Errorf("no file: %+v", e)
	}
	if all, e := up(fails); e.Service != "web" || !slices.Contains(e.LastLines, "it broke") || all.last().Project == nil || all.last().Project.Services[0].State != service.Failed {
		t.Errorf("a service that fails: %+v, %+v", e, all)
	}
	if e := as(r.api.Restart(r.ctx, localapi.RestartRequest{Caller: good}, nil)); !strings.Contains(e.Message, "not up") || e.Hint == "" {
		t.Errorf("restart of what is not up: %+v", e)
	}
	if e := as(r.api.Up(r.ctx, localapi.UpRequest{Caller: localapi.Caller{Path: "shop"}}, nil)); !strings.Contains(e.Message, "absolute") {
		t.Errorf("a relative path: %+v", e)
	}
	if e := as(r.api.Up(r.ctx, localapi.UpRequest{Caller: good, Engine: "magic"}, nil)); e.Status != 2 {
		t.Errorf("no such engine: %+v", e)
	}
}

// run answers with what a client asks the keeper for, with descriptors of its own.
func TestRunByTheAPI(t *testing.T) {
	r := newRig(t)
	r.start()
	c := r.caller("shop", "version = 1\nenv = { WORD = \"the file's\" }\n[services.web]\ncommand = \"sleep 1000\"\n", "A=b")
	p, x, err := r.api.Run(r.ctx, localapi.RunRequest{Caller: c, Argv: []string{"sh", "-c", "echo $WORD in $PWD"}, Name: "say", Engine: loopback.None}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	ran, err := localapi.NewSession(p).Exec(r.ctx, x, c.Environ, null, w, w)
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, rerr := io.ReadAll(out)
	st, err := ran.Wait()
	if err := errors.Join(err, rerr); err != nil || st.Code != 0 || string(b) != "the file's in "+c.Path+"\n" || ran.Name != "say" {
		t.Errorf("%q, %+v, %v", b, st, err)
	}
	var e *localapi.Error
	if _, _, err := r.api.Run(r.ctx, localapi.RunRequest{Caller: c, Argv: []string{"true"}, As: "nosuch"}, nil); !errors.As(err, &e) || e.Status != 2 {
		t.Errorf("as a service that there is not: %v", err)
	}
}

// An operation goes on when its client goes, unless that asked for its end.
func TestAClientThatGoes(t *testing.T) {
	for _, cancels := range []bool{false, true} {
		r := newRig(t)
		d := r.start()
		c := r.caller("shop", strings.ReplaceAll(twoServices, "test -s words", "test -e go"), "WORD=x")
		ctx, leave := context.WithCancel(r.ctx)
		err := r.api.Up(ctx, localapi.UpRequest{Caller: c, Engine: loopback.None, Cancel: cancels}, func(p localapi.Progress) error {
			if slices.ContainsFunc(p.Services, func(s service.Status) bool { return s.Name == "web" && s.State == service.Starting }) {
				leave()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancel %v: %v", cancels, err)
		}
		underWay := d.activity.calls.Load
		if cancels && !within(func() bool { return underWay() == 0 }) {
			t.Error("it goes on without its client")
		}
		if !cancels && underWay() == 0 {
			t.Error("it ended with its client")
		}
		// The service itself is not ended by that.
		if err := os.WriteFile(filepath.Join(c.Path, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		ready := errors.New("ready")
		ps, err := r.api.Projects(r.ctx, false)
		if err != nil || len(ps.Projects) != 1 {
			t.Fatalf("%+v, %v", ps, err)
		}
		err = localapi.NewSession(ps.Projects[0]).Watch(r.ctx, func(p keeperapi.Project) error {
			if p.Services[1].State == service.Up {
				return ready
			}
			return nil
		})
		if !errors.Is(err, ready) {
			t.Errorf("cancel %v: %v", cancels, err)
		}
		if !within(func() bool { return underWay() == 0 }) {
			t.Error("the operation does not end")
		}
		if err := r.api.DownOf(r.ctx, localapi.DownRequest{Caller: c}, nil); err != nil {
			t.Error(err)
		}
	}
}

// The daemon is what operations ask.
var _ operation.Daemon = self{}
