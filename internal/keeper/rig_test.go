package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/nonehome"
	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/service/reaper"
)

const patience = 30 * time.Second

// TestMain also is the keeper that TestRun starts.
func TestMain(m *testing.M) {
	if os.Args[0] == hostsview.ShimName {
		fmt.Fprintln(os.Stderr, "lodge:", hostsview.ShimMain(os.Args, os.Environ()))
		os.Exit(127)
	}
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		if err := Run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	signal.Notify(make(chan os.Signal, 1), unix.SIGWINCH) // its one goroutine stays
	os.Exit(m.Run())
}

// rig is a keeper in this process, and its client.
type rig struct {
	keeperapi.Client
	t    *testing.T
	k    *keeper
	dir  string
	ctx  context.Context
	env  []string
	over chan error // what serve gave
}

// newRig returns a keeper that stays, however long the test takes between two
// requests.
func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigThat(t, lingers{first: time.Hour, last: time.Hour})
}

func newRigThat(t *testing.T, stays lingers) *rig {
	t.Helper()
	// The poller's descriptors come with the first file and stay.
	if r, w, err := os.Pipe(); err == nil {
		_ = r.SetReadDeadline(time.Now())
		_, _ = r.Close(), w.Close()
	}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	dir := t.TempDir()
	cfg := keeperapi.Config{
		ID: "k", Name: "shop", Dir: dir, Socket: filepath.Join(dir, "k.sock"), Record: filepath.Join(dir, "k.json"), LogDir: filepath.Join(dir, "logs"),
		Home:   home.Spec{ID: fmt.Sprintf("keep-%d-%d", os.Getpid(), time.Now().UnixNano()), IP4: netip.MustParseAddr("127.93.7.4"), Isolation: loopback.Overlay},
		Engine: loopback.None, EngineReason: "a test", Version: "test",
	}
	inside, err := nonehome.Open(cfg.Home)
	if err != nil {
		t.Fatal(err)
	}
	reaper, err := reaper.New()
	if err != nil {
		t.Fatal(err)
	}
	store, err := logs.Open(cfg.LogDir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKeeper(cfg, inside, reaper, store, stays)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &rig{Client: keeperapi.Client{Socket: cfg.Socket}, t: t, k: k, dir: dir, ctx: ctx, env: []string{"PATH=" + os.Getenv("PATH")}, over: make(chan error, 1)}
	served := make(chan error, 1)
	go func() { served <- k.serve(ctx) }()
	go func() {
		err := <-served
		r.over <- err
		close(r.over)
	}()
	t.Cleanup(func() {
		k.life.stop()
		for err := range r.over {
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		}
		cancel()
		reaper.Close()
		k.place.close()
		if err := errors.Join(inside.Close(), store.Close()); err != nil {
			t.Error(err)
		}
		if !within(func() bool { return runtime.NumGoroutine() <= goroutines }) {
			buf := make([]byte, 1<<20)
			t.Errorf("goroutines: %d before, %d after\n%s", goroutines, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		if !within(func() bool { return openFiles(t) <= files }) {
			t.Errorf("descriptors: %d before, %d after", files, openFiles(t))
		}
	})
	return r
}

func openFiles(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func within(ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
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

func (r *rig) spec(name, script string) service.Spec {
	return service.Spec{Name: name, Argv: []string{"sh", "-c", script}, Command: script, Dir: r.dir, Ready: service.Ready{None: true}}
}

func (r *rig) define(specs ...service.Spec) {
	r.t.Helper()
	if err := r.Define(r.ctx, specs, r.env); err != nil {
		r.t.Fatal(err)
	}
}

// pipes returns what a command reads and writes, and this test's ends of it.
func (r *rig) pipes() (files []*os.File, in, out, stderr *os.File) {
	r.t.Helper()
	var ends []*os.File
	for i := range 3 {
		rd, wr, err := os.Pipe()
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { rd.Close(); wr.Close() })
		if i == 0 {
			files, ends = append(files, rd), append(ends, wr)
		} else {
			files, ends = append(files, wr), append(ends, rd)
		}
	}
	for _, f := range files {
		_ = f.Fd() // makes it blocking, as programs have it
	}
	return files, ends[0], ends[1], ends[2]
}

// raw is a connection on which the test writes what it likes.
func (r *rig) raw() *keeperapi.Wire {
	r.t.Helper()
	w, err := r.Dial(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(w.Close)
	return w
}

func wantError(t *testing.T, err error, text string) *keeperapi.Error {
	t.Helper()
	var e *keeperapi.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, text) {
		t.Fatalf("got %v, want %q", err, text)
	}
	return e
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numbered opens files that tell by their content which they are.
func numbered(t testing.TB, n int) []*os.File {
	t.Helper()
	var out []*os.File
	for i := range n {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err == nil {
			_, err = fmt.Fprint(f, i)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		out = append(out, f)
	}
	return out
}
