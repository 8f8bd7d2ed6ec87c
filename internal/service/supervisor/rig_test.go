package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/nonehome"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/service"
	"lodge/internal/service/reaper"
)

// patience bounds every wait of these tests. None asserts a time.
const patience = 30 * time.Second

// TestMain also is the programs that the tests start inside.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "listen" {
		ln, err := net.Listen("tcp", os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("listening on", ln.Addr())
		for {
			c, err := ln.Accept()
			if err != nil {
				os.Exit(1)
			}
			_ = c.Close()
		}
	}
	// The one goroutine of os/signal, which stays, is no leak of the first test.
	signal.Notify(make(chan os.Signal, 1), unix.SIGWINCH)
	os.Exit(m.Run())
}

// fake is a home with real processes, and endpoints that the test names: a
// service in ports listens as long as a process of it lives.
type fake struct {
	home.Inside // nonehome
	changes     chan struct{}
	conflicts   chan home.Conflict

	mu       sync.Mutex
	ports    map[string][]loopback.Endpoint
	leases   map[uint16]string
	refused  map[uint16]bool // as if somebody had them
	noLeases bool
	starts   map[string]int
	failing  error // what the next starts end with
	blocked  chan struct{}
	real     bool // endpoints are the kernel's
	// next are what the next readings find that a service has, one each, before
	// they find what is in ports. readings counts all.
	next     map[string][][]loopback.Endpoint
	readings int
	engine   loopback.Engine // "" for that of Inside
}

func (f *fake) Engine() loopback.Engine {
	if f.engine != "" {
		return f.engine
	}
	return f.Inside.Engine()
}

func (f *fake) Capabilities() home.Capabilities {
	if f.engine == loopback.Seccomp {
		return home.Capabilities{Translates: true}
	}
	return f.Inside.Capabilities()
}

func (f *fake) Endpoints() ([]loopback.Endpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.real {
		return f.Inside.Endpoints()
	}
	var out []loopback.Endpoint
	f.readings++
	for s, eps := range f.ports {
		if list := f.next[s]; len(list) > 0 {
			eps, f.next[s] = list[0], list[1:]
		}
		if pids, err := f.Inside.Pids(s); err == nil && len(pids) > 0 {
			out = append(out, eps...)
		}
	}
	return out, nil
}

func (f *fake) Changes() <-chan struct{}        { return f.changes }
func (f *fake) Conflicts() <-chan home.Conflict { return f.conflicts }

func (f *fake) Start(c home.Command) (int, error) {
	f.mu.Lock()
	f.starts[c.Service]++
	err, blocked := f.failing, f.blocked
	f.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	if err != nil {
		return 0, err
	}
	pid, err := f.Inside.Start(c)
	f.poke()
	return pid, err
}

// poke is the engine's word that endpoints may have come.
func (f *fake) poke() {
	select {
	case f.changes <- struct{}{}:
	default:
	}
}

func (f *fake) Lease(service string, port uint16) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.noLeases:
		return fmt.Errorf("lease: %w", errors.ErrUnsupported)
	case f.refused[port] || f.leases[port] != "":
		return fmt.Errorf("lease: %w", unix.EADDRINUSE)
	}
	f.leases[port] = service
	return nil
}

func (f *fake) Release(port uint16) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.leases, port)
	return nil
}

// listen says where a service listens whenever it runs.
func (f *fake) listen(service string, ports ...uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ports[service] = nil
	for _, p := range ports {
		f.ports[service] = append(f.ports[service], loopback.Endpoint{
			Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: p, Service: service,
		})
	}
	f.poke()
}

// finds says where the next readings find that a service listens, one each. It
// tells nobody.
func (f *fake) finds(service string, readings ...[]uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = make(map[string][][]loopback.Endpoint)
	}
	for _, ports := range readings {
		eps := []loopback.Endpoint{}
		for _, p := range ports {
			eps = append(eps, loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: p, Service: service})
		}
		f.next[service] = append(f.next[service], eps)
	}
	if _, ok := f.ports[service]; !ok {
		f.ports[service] = nil
	}
}

// read reports how often the endpoints were read.
func (f *fake) read() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readings
}

func (f *fake) started(service string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts[service]
}

// rig is a supervisor to test, with what it needs.
type rig struct {
	*Supervisor
	t     *testing.T
	dir   string
	fake  *fake
	env   []string
	ctx   context.Context
	store *logs.Store
}

// newRig returns a supervisor whose end is checked: no process, no goroutine and
// no descriptor may be left.
func newRig(t *testing.T) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	spec := home.Spec{ID: fmt.Sprintf("svc-%d-%d", os.Getpid(), time.Now().UnixNano()), IP4: netip.MustParseAddr("127.93.7.3"), Isolation: loopback.Overlay}
	inside, err := nonehome.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	reaper, err := reaper.New()
	if err != nil {
		t.Fatal(err)
	}
	store, err := logs.Open(filepath.Join(dir, "logs"), logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{
		Inside: inside, changes: make(chan struct{}, 1), conflicts: make(chan home.Conflict, 8),
		ports: make(map[string][]loopback.Endpoint), leases: make(map[uint16]string),
		refused: make(map[uint16]bool), starts: make(map[string]int),
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &rig{
		Supervisor: New("shop", spec, f, reaper, store, func() (string, error) { return filepath.Join(dir, "keys"), nil }), t: t, dir: dir, fake: f, ctx: ctx, store: store,
		env: []string{"PATH=" + os.Getenv("PATH"), "DIR=" + dir},
	}
	r.worker.Least = time.Hour // most of these programs only sleep
	t.Cleanup(func() {
		end, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := r.Close(end); err != nil {
			t.Errorf("close: %v", err)
		}
		if pids, err := inside.Pids(""); err != nil || len(pids) > 0 {
			t.Errorf("processes left: %v, %v", pids, err)
		}
		cancel()
		reaper.Close()
		if err := errors.Join(inside.Close(), store.Close()); err != nil {
			t.Error(err)
		}
		if !within(func() bool { return runtime.NumGoroutine() <= before }) {
			buf := make([]byte, 1<<20)
			t.Errorf("goroutines: %d before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		if len(f.leases) > 0 {
			t.Errorf("leases left: %v", f.leases)
		}
	})
	return r
}

// within polls what gives no event, until it holds or patience ends.
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

// spec returns a service that runs a shell script; without more it is ready as
// soon as it runs.
func (r *rig) spec(name, script string, more ...func(*service.Spec)) service.Spec {
	sp := service.Spec{Name: name, Argv: []string{"sh", "-c", script}, Command: script, Dir: r.dir, Ready: service.Ready{None: true}, StopGrace: 20 * time.Second}
	for _, f := range more {
		f(&sp)
	}
	return sp
}

func needs(names ...string) func(*service.Spec)  { return func(s *service.Spec) { s.Needs = names } }
func restarts(how string) func(*service.Spec)    { return func(s *service.Spec) { s.Restart = how } }
func listens(s *service.Spec)                    { s.Ready = service.Ready{} }
func grace(d time.Duration) func(*service.Spec)  { return func(s *service.Spec) { s.StopGrace = d } }
func ready(rd service.Ready) func(*service.Spec) { return func(s *service.Spec) { s.Ready = rd } }
func timeout(d time.Duration) func(*service.Spec) {
	return func(s *service.Spec) { s.ReadyTimeout = d }
}

const forever = "exec sleep 1000"

func (r *rig) define(specs ...service.Spec) {
	r.t.Helper()
	if err := r.Define(r.ctx, specs, r.env); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) up(names ...string) {
	r.t.Helper()
	if err := r.Up(r.ctx, names); err != nil {
		r.t.Fatalf("up %v: %v", names, err)
	}
}

func (r *rig) stop(names ...string) {
	r.t.Helper()
	if err := r.Stop(r.ctx, names); err != nil {
		r.t.Fatalf("stop %v: %v", names, err)
	}
}

func (r *rig) get(name string) service.Status {
	r.t.Helper()
	for _, st := range r.Status() {
		if st.Name == name {
			return st
		}
	}
	r.t.Fatalf("no %s in %v", name, r.Status())
	return service.Status{}
}

// await waits until a service's status is as wanted.
func (r *rig) await(name, what string, ok func(service.Status) bool) service.Status {
	r.t.Helper()
	for {
		ch := r.Changed()
		st := r.get(name)
		if ok(st) {
			return st
		}
		select {
		case <-ch:
		case <-r.ctx.Done():
			r.t.Fatalf("%s: never %s; it is %+v", name, what, st)
		}
	}
}

func (r *rig) awaitState(name string, want service.State) service.Status {
	r.t.Helper()
	return r.await(name, string(want), func(st service.Status) bool { return st.State == want })
}

// file returns what a program inside wrote, once it is there and ends with a
// line end.
func (r *rig) file(name string) string {
	r.t.Helper()
	var got string
	if !within(func() bool {
		b, err := os.ReadFile(filepath.Join(r.dir, name))
		got = string(b)
		return err == nil && strings.HasSuffix(got, "\n")
	}) {
		r.t.Fatalf("%s was not written: %q", name, got)
	}
	return strings.TrimSpace(got)
}

func (r *rig) pid(name string) int {
	r.t.Helper()
	n, err := strconv.Atoi(r.file(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// goneSoon reports whether a process ends.
func goneSoon(pid int) bool {
	return within(func() bool {
		n, err := procfs.StartTime(pid)
		return err != nil || !procfs.Alive(pid, n)
	})
}

func alive(pid int) bool {
	n, err := procfs.StartTime(pid)
	return err == nil && procfs.Alive(pid, n)
}

// fails wants a *Error of a service whose cause has the text.
func fails(t *testing.T, err error, name, text string) *service.Error {
	t.Helper()
	var e *service.Error
	if !errors.As(err, &e) || e.Service != name || !strings.Contains(e.Cause, text) {
		t.Fatalf("got %v (%#v), want an error of %s with %q", err, err, name, text)
	}
	return e
}

func lines(got []string) string { return strings.Join(slices.Clone(got), "|") }
