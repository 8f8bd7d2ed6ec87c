package naming

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/internal/helperapi"
	"lodge/internal/home"
	"lodge/internal/hosts"
	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
)

// patience is how long a whole test may take, on a machine with much else to do.
const patience = 2 * time.Minute

// state is what the names of a test are made of.
type state struct {
	mu       sync.Mutex // guards what follows
	projects []keeperapi.Project
	calls    []string // in their order
	written  chan []hosts.Entry
	refused  []helperapi.Refusal
	err      error
}

func (s *state) set(ps ...keeperapi.Project) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects = ps
}

func (s *state) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func newNames(s *state) *Names {
	s.written = make(chan []hosts.Entry, 1000)
	return New(Options{
		Projects: func() []keeperapi.Project { s.mu.Lock(); defer s.mu.Unlock(); return s.projects },
		Label:    func(_, name string) string { return name },
		Changed:  func() { s.note("changed") },
		Told:     func(table func() *names.Table) { s.note("told of " + strings.Join(table().HTTPNames(), " ")) },
		SetHosts: func(_ context.Context, list []hosts.Entry) ([]helperapi.Refusal, error) {
			s.written <- list
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.refused, s.err
		},
	})
}

func shop() keeperapi.Project {
	return keeperapi.Project{
		ID: "shop-1", Name: "shop", Dir: "/src/shop", Home: home.Spec{IP4: netip.MustParseAddr("127.83.1.2")},
		Services: []service.Status{{Name: "web", State: service.Up, HTTP: 3000, Endpoints: []loopback.Endpoint{
			{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.83.1.2"), Port: 3000},
		}}},
	}
}

// called is shop with another name of its service.
func called(name string) keeperapi.Project {
	p := shop()
	p.Services[0].Name = name
	return p
}

// The proxy and the stream of events have the new table before those are woken that
// wait for it, and after.
func TestRename(t *testing.T) {
	s := &state{}
	n := newNames(s)
	woken := n.Changed()
	s.set(shop())
	n.Rename()
	select {
	case <-woken:
	default:
		t.Error("what waits for a change is not woken")
	}
	if m := n.Table().Find("web.shop.localhost"); m.Kind != names.Service || m.Project.ID != "shop-1" || m.Service.Name != "web" {
		t.Errorf("web.shop.localhost leads to %+v", m)
	}
	if got := strings.Join(s.calls, ", "); !strings.HasPrefix(got, "changed, told of ") || !strings.Contains(got, "web.shop.localhost") {
		t.Errorf("calls: %s", got)
	}
	select {
	case <-n.Changed():
		t.Error("there was another change")
	default:
	}
}

// The hosts file has the names, and a client that asks for them waits until it has.
func TestKeepHosts(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &state{}
	n := newNames(s)
	if ok, why := n.Resolved(); ok || why == "" {
		t.Errorf("before it was tried: %v, %q", ok, why)
	}
	s.set(shop())
	n.Rename()
	own, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { defer close(over); n.KeepHosts(own) }()
	got := n.Hosts(ctx)
	if !got.Resolved || !strings.Contains(got.Lines, "127.83.1.2 web.shop.test\n") || !strings.Contains(got.Lines, "127.0.0.1 web.shop.localhost\n") {
		t.Errorf("got %+v", got)
	}
	if list := <-s.written; len(list) != 2 || list[0].IP.String() != "127.83.1.2" {
		t.Errorf("written: %+v", list)
	}
	// A name that another user has is told, and asked for again when the names change.
	s.mu.Lock()
	s.refused = []helperapi.Refusal{{Name: "web.shop.test", Error: "user 7 has it"}}
	s.mu.Unlock()
	s.set(called("api"))
	n.Rename()
	if got = n.Hosts(ctx); got.Resolved || got.Reason != "user 7 has it" {
		t.Errorf("got %+v", got)
	}
	if w := n.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "web.shop.test is not this project's") {
		t.Errorf("warnings: %q", w)
	}
	s.mu.Lock()
	s.refused = nil
	s.mu.Unlock()
	s.set(called("web"))
	n.Rename()
	// Now nothing is waited for until the names are there again.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ok := false; !ok; ok, _ = n.Resolved() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the names are not resolved again")
		}
	}
	stop()
	<-over
	// Nothing writes it any more, so that no client waits for it.
	n.Rename()
	n.Hosts(ctx)
	if ctx.Err() != nil {
		t.Error("it waits although no table is written any more")
	}
}

// Where no hosts file is kept there is nothing to wait for.
func TestWithoutAHostsFile(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &state{err: errors.New("no helper")}
	n := newNames(s)
	s.set(shop())
	n.Rename()
	own, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { defer close(over); n.KeepHosts(own) }()
	<-s.written
	if got := n.Hosts(ctx); got.Resolved || got.Reason != "no helper" || got.Lines == "" {
		t.Errorf("got %+v", got)
	}
	stop()
	<-over
}
