package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/daemon/api"
	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/seccomphome"
	"lodge/internal/home/seccomphome/support"
	"lodge/internal/keeper"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/service"
	"lodge/internal/stall/stalltest"
	"lodge/internal/unixsock"
)

const patience = 5 * time.Minute // of a whole test, on a machine with much else to do

// TestMain also is the keepers and the helper that the daemon starts.
func TestMain(m *testing.M) {
	if os.Args[0] == hostsview.ShimName {
		fmt.Fprintln(os.Stderr, "lodge:", hostsview.ShimMain(os.Args, os.Environ()))
		os.Exit(127)
	}
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Args[0] == seccomphome.ShimName {
		fail(seccomphome.ShimMain(os.Args))
	}
	if filepath.Base(os.Args[0]) == helperapi.ProgramName {
		fail(helper.Main(context.Background(), os.Args[1:], os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		fail(keeper.Run(context.Background()))
	}
	signal.Notify(make(chan os.Signal, 1), unix.SIGWINCH) // its one goroutine stays
	os.Exit(m.Run())
}

// rig is directories for a daemon, and the daemon that runs there now.
type rig struct {
	t    *testing.T
	cfg  Config
	dir  string // for projects
	ctx  context.Context
	api  *localapi.Client
	stop func() error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	goroutines := runtime.NumGoroutine()
	dir, err := os.MkdirTemp("", "ld") // short: it is part of a socket's address
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	helper := filepath.Join(dir, helperapi.ProgramName)
	if err := os.Symlink(exe, helper); err != nil {
		t.Fatal(err)
	}
	logfile, err := os.Create(filepath.Join(dir, "daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &rig{t: t, dir: dir, ctx: ctx, cfg: Config{
		Dirs:   localapi.Dirs{Runtime: filepath.Join(dir, "run"), State: filepath.Join(dir, "state")},
		Keeper: exe, Helper: helper, Version: "test", Log: slog.New(slog.NewTextHandler(logfile, nil)), Output: logfile,
	}}
	r.api = localapi.New(r.cfg.Dirs.Socket())
	t.Cleanup(func() {
		if r.stop != nil {
			ps, err := r.api.Projects(ctx, false)
			for _, p := range ps.Projects {
				err = errors.Join(err, r.api.Down(ctx, p.ID))
			}
			if err := errors.Join(err, r.stop()); err != nil {
				t.Error(err)
			}
		}
		r.api.Close()
		cancel()
		if t.Failed() {
			b, _ := os.ReadFile(logfile.Name())
			t.Logf("its log:\n%s", b)
		}
		left, _ := filepath.Glob(filepath.Join(r.cfg.Dirs.Runtime, "k", "*"))
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		_ = logfile.Close()
		_ = os.RemoveAll(dir)
		if !within(func() bool { return runtime.NumGoroutine() <= goroutines }) {
			buf := make([]byte, 1<<20)
			t.Errorf("goroutines: %d before, %d after\n%s", goroutines, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	})
	return r
}

func within(ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-end.C:
			return ok()
		}
	}
}

// start starts a daemon, which ends with stop.
func (r *rig) start() *Daemon {
	r.t.Helper()
	d, err := New(r.ctx, r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	opened, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(ctx, func() { close(opened) }) }()
	select {
	case <-opened:
	case err := <-done:
		r.t.Fatal(err)
	}
	r.stop = func() error {
		cancel()
		r.stop = nil
		return <-done
	}
	return d
}

// project makes a directory and opens it.
func (r *rig) project(name string, engine loopback.Engine) localapi.Project {
	r.t.Helper()
	dir := filepath.Join(r.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	p, err := r.api.Open(r.ctx, localapi.OpenRequest{Path: dir, Name: name, Engine: engine})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// serve runs a service in a project and gives its process.
func (r *rig) serve(p localapi.Project) int {
	r.t.Helper()
	s := localapi.NewSession(p)
	sp := service.Spec{Name: "web", Argv: []string{"sleep", "1000"}, Command: "sleep 1000", Dir: p.Path, Ready: service.Ready{None: true}}
	err := s.Define(r.ctx, []service.Spec{sp}, []string{"PATH=" + os.Getenv("PATH")})
	if err == nil {
		err = s.Up(r.ctx, nil)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	st, err := s.Status(r.ctx)
	if err != nil || len(st.Services) != 1 || st.Services[0].PID == 0 {
		r.t.Fatalf("%+v, %v", st, err)
	}
	return st.Services[0].PID
}

func gone(pid int) bool {
	return within(func() bool {
		n, err := procfs.StartTime(pid)
		return err != nil || !procfs.Alive(pid, n)
	})
}

func TestAProjectsLife(t *testing.T) {
	for _, engine := range []loopback.Engine{loopback.None, loopback.Seccomp} {
		t.Run(string(engine), func(t *testing.T) {
			if engine == loopback.Seccomp {
				if ok, why := support.Check(); !ok {
					t.Skip("needs seccomp user notification: " + why)
				}
			}
			r := newRig(t)
			r.start()
			info, err := r.api.Info(r.ctx)
			if err != nil || info.PID != os.Getpid() || info.Version != "test" || info.StartedAt.IsZero() {
				t.Errorf("info: %+v, %v", info, err)
			}
			p := r.project("shop", engine)
			if p.Name != "shop" || p.State != "up" || p.Engine != engine || p.EngineReason != "asked for" || p.Isolation != loopback.Overlay || p.KeeperPID == 0 {
				t.Errorf("got %+v", p)
			}
			pid := r.serve(p)
			if again := r.project("shop", ""); again.KeeperPID != p.KeeperPID || again.Home != p.Home {
				t.Errorf("opened again: %+v", again)
			}
			other := r.project("other", loopback.None)
			if other.Home == p.Home {
				t.Error("two projects share a home")
			}
			ps, err := r.api.Projects(r.ctx, false)
			if err != nil || len(ps.Projects) != 2 || ps.Projects[0].Name != "other" || len(ps.Projects[1].Services) != 1 {
				t.Errorf("list: %+v, %v", ps, err)
			}
			if err := r.api.Down(r.ctx, p.ID); err != nil {
				t.Fatal(err)
			}
			if !gone(pid) || !gone(p.KeeperPID) {
				t.Error("processes are left")
			}
			if err := r.api.Down(r.ctx, p.ID); err != nil {
				t.Errorf("down again: %v", err)
			}
			ps, err = r.api.Projects(r.ctx, true)
			if err != nil || len(ps.Projects) != 2 || ps.Projects[1].State != "down" || ps.Projects[1].Home != p.Home || ps.Projects[1].LogDir != p.LogDir {
				t.Errorf("list of all: %+v, %v", ps, err)
			}
			if again := r.project("shop", engine); again.Home != p.Home || again.ID != p.ID {
				t.Errorf("up again: %+v", again)
			}
		})
	}
}

func TestOpenAtOnceMakesOneKeeper(t *testing.T) {
	r := newRig(t)
	r.start()
	var wg sync.WaitGroup
	pids := make(chan int, 8)
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p, err := r.api.Open(r.ctx, localapi.OpenRequest{Path: r.dir, Name: "shop", Engine: loopback.None})
			if err != nil {
				t.Error(err)
			}
			pids <- p.KeeperPID
		}()
	}
	wg.Wait()
	close(pids)
	first := <-pids
	for pid := range pids {
		if pid != first {
			t.Errorf("keepers %d and %d", first, pid)
		}
	}
}

func TestOpenWithOtherWishes(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	for want, req := range map[string]localapi.OpenRequest{
		"use engine seccomp: project shop runs with none":      {Path: p.Path, Name: "shop", Engine: loopback.Seccomp},
		"use isolation strict: project shop runs with overlay": {Path: p.Path, Name: "shop", Isolation: loopback.Strict},
	} {
		_, err := r.api.Open(r.ctx, req)
		var e *localapi.Error
		if !errors.As(err, &e) || e.Message != want || e.Hint == "" {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	r := newRig(t)
	r.start()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.cfg.Dirs.Socket())
	}}}
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/v1/projects", "", 400, "read request: EOF"},
		{"POST", "/v1/projects", "{", 400, "read request: unexpected EOF"},
		{"POST", "/v1/projects", "[]", 400, "read request: json: cannot unmarshal array"},
		{"POST", "/v1/projects", `{"path":1}`, 400, "read request: json: cannot unmarshal number"},
		{"POST", "/v1/projects", `{"path":"/tmp","nmae":"x"}`, 400, `unknown field \"nmae\"`},
		{"POST", "/v1/projects", `{"path":"/tmp"}{}`, 400, "more than one value"},
		{"POST", "/v1/projects", `{"path":` + quoted(strings.Repeat("x", api.MaxRequest)) + `}`, 400, "too large"},
		{"POST", "/v1/projects", `{"path":"tmp"}`, 409, "is not absolute"},
		{"POST", "/v1/projects", `{"path":""}`, 409, "is not absolute"},
		{"POST", "/v1/projects", `{"path":"/nowhere/at/all"}`, 409, "there is no such directory"},
		{"POST", "/v1/projects", `{"path":"/dev/null"}`, 409, "there is no such directory"},
		{"POST", "/v1/projects", `{"path":"/tmp","engine":"magic"}`, 409, "not one of ebpf, seccomp, none"},
		{"POST", "/v1/projects", `{"path":"/tmp","isolation":"some"}`, 409, "not one of overlay, strict"},
		{"GET", "/v1/nothing", "", 404, ""},
		{"DELETE", "/v1/projects", "", 405, ""},
		{"POST", "/v1/projects/none/down", "{}", 200, "{}"},
	} {
		req, err := http.NewRequestWithContext(r.ctx, c.method, "http://lodge"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		short := c.body[:min(60, len(c.body))]
		if resp.StatusCode != c.status || !strings.Contains(string(b), c.want) {
			t.Errorf("%s %s %s: %s %s, want %d %q", c.method, c.path, short, resp.Status, b, c.status, c.want)
		}
		if c.status == 400 || c.status == 409 {
			var e localapi.Error
			if err := json.Unmarshal(b, &e); err != nil || e.Message == "" || strings.Contains(e.Message, "\n") {
				t.Errorf("%s: %s is no error of the API: %v", short, b, err)
			}
		}
	}
	if ps, err := r.api.Projects(r.ctx, true); err != nil || len(ps.Projects) != 0 {
		t.Errorf("afterwards: %+v, %v", ps, err)
	}
}

func TestASecondDaemonGivesWay(t *testing.T) {
	r := newRig(t)
	r.start()
	if _, err := New(r.ctx, r.cfg); !errors.Is(err, ErrRunning) {
		t.Errorf("got %v", err)
	}
	if _, err := r.api.Info(r.ctx); err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.start() // and now there is room
	if _, err := r.api.Info(r.ctx); err != nil {
		t.Error(err)
	}
}

func TestNotTheSocketsOwner(t *testing.T) {
	r := newRig(t)
	d, err := New(r.ctx, r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	other, err := unixsock.Listen(r.cfg.Dirs.Socket())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(r.ctx, func() { t.Error("opened") }); !errors.Is(err, unixsock.ErrInUse) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(other.Close(), os.Remove(r.cfg.Dirs.Socket())); err != nil {
		t.Fatal(err)
	}
	// What is no socket is set aside.
	if err := os.WriteFile(r.cfg.Dirs.Socket(), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start() // the lock was given back
	aside, _ := filepath.Glob(r.cfg.Dirs.Socket() + ".aside-*")
	if len(aside) != 1 {
		t.Fatalf("set aside: %v", aside)
	}
	if b, err := os.ReadFile(aside[0]); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestItEndsWhenNothingIsUp(t *testing.T) {
	r := newRig(t)
	r.cfg.Linger = 200 * time.Millisecond
	d, err := New(r.ctx, r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	opened, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(r.ctx, func() { close(opened) }) }()
	<-opened
	p := r.project("shop", loopback.None)
	r.serve(p)
	// It does not end under a project, however long nobody asks.
	tick := time.NewTimer(3 * r.cfg.Linger)
	defer tick.Stop()
	select {
	case err := <-done:
		t.Fatalf("it ended: %v", err)
	case <-tick.C:
	}
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := r.api.Info(r.ctx); !localapi.NotRunning(err) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestServicesOutliveTheDaemon(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.api.Info(r.ctx); !localapi.NotRunning(err) {
		t.Errorf("the daemon: %v", err)
	}
	if st, err := localapi.NewSession(p).Status(r.ctx); err != nil || st.Services[0].State != service.Up {
		t.Errorf("the keeper: %+v, %v", st, err)
	}
	// Its record of homes may be lost too.
	if err := os.Remove(filepath.Join(r.cfg.Dirs.State, "state.json")); err != nil {
		t.Fatal(err)
	}
	r.start()
	ps, err := r.api.Projects(r.ctx, false)
	if err != nil || len(ps.Projects) != 1 || ps.Projects[0].Home != p.Home || ps.Projects[0].Services[0].PID != pid {
		t.Fatalf("got %+v, %v", ps, err)
	}
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Error("the service is left")
	}
}

func TestAKeeperThatIsKilled(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	if err := unix.Kill(p.KeeperPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Error("its service is left")
	}
	if !within(func() bool { ps, err := r.api.Projects(r.ctx, false); return err == nil && len(ps.Projects) == 0 }) {
		t.Error("it is still listed")
	}
	again := r.project("shop", loopback.None)
	if again.KeeperPID == p.KeeperPID || again.Home != p.Home {
		t.Errorf("up again: %+v", again)
	}
}

func TestAKeeperThatDiedBefore(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(p.KeeperPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !gone(p.KeeperPID) {
		t.Fatal("it survives SIGKILL")
	}
	// And two records that nobody can use.
	k := filepath.Join(r.cfg.Dirs.Runtime, "k")
	for name, text := range map[string]string{"bad": "{", "evil": `{"config":{"id":"../../x"}}`} {
		if err := os.WriteFile(filepath.Join(k, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	if !gone(pid) {
		t.Error("its service is left")
	}
	if ps, err := r.api.Projects(r.ctx, false); err != nil || len(ps.Projects) != 0 {
		t.Errorf("got %+v, %v", ps, err)
	}
	for _, f := range []string{p.Socket, filepath.Join(k, p.ID+".json")} {
		if _, err := os.Lstat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", f, err)
		}
	}
	for _, name := range []string{"bad", "evil"} {
		aside, _ := filepath.Glob(filepath.Join(k, name+".json.aside-*"))
		if len(aside) != 1 || os.Remove(aside[0]) != nil {
			t.Errorf("set aside: %v", aside)
		}
	}
}

func TestAKeeperThatIsStoppedDoesNotHoldUpTheList(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	r.serve(p)
	stalltest.Stop(t, p.KeeperPID)
	ps, err := r.api.Projects(r.ctx, false)
	if err != nil || len(ps.Projects) != 1 || ps.Projects[0].Home != p.Home {
		t.Errorf("got %+v, %v", ps, err)
	}
	if err := unix.Kill(p.KeeperPID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestAKeeperThatCannotStart(t *testing.T) {
	r := newRig(t)
	r.cfg.Keeper = "/nowhere/lodge"
	r.start()
	_, err := r.api.Open(r.ctx, localapi.OpenRequest{Path: r.dir, Name: "shop", Engine: loopback.None})
	if err == nil || !strings.Contains(err.Error(), "start keeper: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	stops := filepath.Join(r.dir, "stops")
	if err := os.WriteFile(stops, []byte("#!/bin/sh\nkill -STOP $$\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ exe, want string }{
		{"/bin/false", "it ended at once"}, // without a word
		{stops, " was stopped by a signal (state T), and was ended"},
	} {
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.cfg.Keeper = c.exe
		r.start()
		if _, err := r.api.Open(r.ctx, localapi.OpenRequest{Path: r.dir, Name: "shop", Engine: loopback.None}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestADirectoryThatIsGoneAfterwards(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	if err := os.Remove(p.Path); err != nil {
		t.Fatal(err)
	}
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Errorf("down: %v", err)
	}
	if !gone(pid) {
		t.Error("its service is left")
	}
}

func TestNewInDirectoriesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a directory to another user")
	}
	for _, which := range []string{"run", "state"} {
		r := newRig(t)
		p := filepath.Join(r.dir, which)
		if err := errors.Join(os.Mkdir(p, 0o777), os.Chown(p, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if _, err := New(r.ctx, r.cfg); err == nil || err.Error() != "use directory "+p+": it belongs to user 65534" {
			t.Errorf("got %v", err)
		}
		if left, _ := os.ReadDir(p); len(left) != 0 {
			t.Errorf("something was made there: %v", left)
		}
	}
}

func TestDoctorGivesReasons(t *testing.T) {
	r := newRig(t)
	r.start()
	d, err := r.api.Doctor(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d.Version != "test" || d.Engine == "" || d.EngineReason == "" {
		t.Errorf("got %+v", d)
	}
	seen := make(map[string]bool)
	for _, c := range d.Capabilities {
		seen[c.Name] = true
		if c.Reason == "" || strings.Contains(c.Reason, "\n") || c.Status != "yes" && c.Status != "no" && c.Status != "unknown" {
			t.Errorf("%+v", c)
		}
	}
	for _, n := range []string{"homes", "engine ebpf", "helper", "engine seccomp", "engine none", "ipv6 loopback", "set-user-id programs inside", "ports below 1024 inside"} {
		if !seen[n] {
			t.Errorf("nothing about %s", n)
		}
	}
}
