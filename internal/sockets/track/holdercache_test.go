package track

import (
	"context"
	"strings"
	"testing"
	"time"

	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
)

// fakeTable is a machine whose sockets and processes are made up, and which
// counts how it is asked.
type fakeTable struct {
	rows          []sockets.Row
	dead          map[int]bool
	cheap, search int
}

func (f *fakeTable) list(_ context.Context, q sockets.Query) (*sockets.Table, error) {
	t := &sockets.Table{}
	for _, r := range f.rows {
		if q.NoProcesses {
			r.Processes, r.Unknown, r.Project, r.Service = nil, false, "", ""
			if r.Peer != nil {
				r.Peer = &sockets.Peer{Inode: r.Peer.Inode}
			}
		}
		if r.Unknown {
			t.UnknownOwners++
		}
		t.Rows = append(t.Rows, r)
	}
	if q.NoProcesses {
		f.cheap++
	} else {
		f.search++
	}
	return t, nil
}

func TestHolderCache(t *testing.T) {
	a, b := &sockets.Process{PID: 1, Name: "a"}, &sockets.Process{PID: 2, Name: "b"}
	f := &fakeTable{dead: map[int]bool{}, rows: []sockets.Row{
		{Inode: 10, Cookie: 100, Processes: []*sockets.Process{a}, Project: "shop", Service: "web", Peer: &sockets.Peer{Inode: 11, Processes: []*sockets.Process{b}}},
		{Inode: 11, Cookie: 101, Processes: []*sockets.Process{b}, Peer: &sockets.Peer{Inode: 10, Processes: []*sockets.Process{a}}},
		{Inode: 12, Cookie: 102, Unknown: true},
	}}
	o := &HolderCache{list: f.list, alive: func(p *sockets.Process) bool { return !f.dead[p.PID] }}
	now := time.Now()
	var homes []sockets.Home
	look := func(after time.Duration, cheap, search int) *sockets.Table {
		t.Helper()
		now = now.Add(after)
		f.cheap, f.search = 0, 0
		got, err := o.List(t.Context(), sockets.Query{Homes: homes}, now)
		if err != nil {
			t.Fatal(err)
		}
		if f.cheap != cheap || f.search != search {
			t.Errorf("asked %d times cheaply, %d times all; want %d, %d", f.cheap, f.search, cheap, search)
		}
		return got
	}
	look(0, 0, 1)
	got := look(time.Second, 1, 0)
	r := got.Rows[0]
	if len(r.Processes) != 1 || r.Processes[0] != a || r.Project != "shop" || r.Service != "web" || r.Peer.Processes[0] != b || got.UnknownOwners != 1 || !got.Rows[2].Unknown {
		t.Errorf("what is known is not filled in: %+v", got)
	}
	// One that is gone is no reason to search; nor is what nobody holds.
	f.rows = append(f.rows[:2], sockets.Row{State: "time_wait"})
	look(time.Second, 1, 0)
	// A new one is, also where it has the inode number of one that is gone.
	f.rows = append(f.rows, sockets.Row{Inode: 12, Cookie: 103, Processes: []*sockets.Process{b}})
	if got := look(time.Second, 1, 1); got.Rows[3].Processes[0] != b {
		t.Errorf("got %+v", got.Rows[3])
	}
	look(time.Second, 1, 0)
	// The other end has another socket.
	f.rows[0].Peer = &sockets.Peer{Inode: 12, Processes: []*sockets.Process{b}}
	look(time.Second, 1, 1)
	// A process is gone: its id may be another one's, its sockets' too.
	f.dead[2] = true
	look(time.Second, 0, 1)
	f.dead[2] = false
	look(time.Second, 1, 0)
	// A project came up.
	homes = []sockets.Home{{Project: "shop"}}
	look(time.Second, 0, 1)
	look(time.Second, 1, 0)
	look(holdersAge, 0, 1)
}

// deadLive is a live map that does or does not answer.
type deadLive struct{ err error }

func (d deadLive) Owners(context.Context) (*holders.Owners, error) {
	return &holders.Owners{}, d.err
}

// The live map is asked where it shows more, or where searches are frequent,
// and left alone where it does not answer.
func TestHolderCacheAndTheLiveMap(t *testing.T) {
	var asked []string
	unknown := 1
	cookie := uint64(0)
	changing := false
	list := func(ctx context.Context, q sockets.Query) (*sockets.Table, error) {
		word := "proc"
		left := unknown
		switch {
		case q.NoProcesses:
			word = "kernel"
		case q.Live != nil:
			word = "live"
			if _, err := q.Live.Owners(ctx); err == nil {
				left = 0
			}
		}
		asked = append(asked, word)
		if changing && q.NoProcesses {
			cookie++
		}
		return &sockets.Table{Rows: []sockets.Row{{Inode: 1, Cookie: cookie}}, UnknownOwners: left}, nil
	}
	now := time.Now()
	var o *HolderCache
	look := func(after time.Duration, live holders.Live) string {
		t.Helper()
		asked, now = nil, now.Add(after)
		if _, err := o.List(t.Context(), sockets.Query{Live: live}, now); err != nil {
			t.Fatal(err)
		}
		return strings.Join(asked, " ")
	}
	try := func(what string, after time.Duration, live holders.Live, want string) {
		t.Helper()
		if got := look(after, live); got != want {
			t.Errorf("%s: asked %q, want %q", what, got, want)
		}
	}
	// An ordinary user does not see all in /proc.
	o = &HolderCache{list: list, alive: func(*sockets.Process) bool { return true }}
	try("none", 0, nil, "proc")
	try("there is one", holdersAge, deadLive{}, "live")
	try("in between", time.Second, deadLive{}, "kernel")
	try("and again", holdersAge, deadLive{}, "live")
	try("it fails", holdersAge, deadLive{err: context.DeadlineExceeded}, "live")
	try("it is left alone", holdersAge, deadLive{}, "proc")
	try("for a while", liveRest, deadLive{}, "live")
	// Root does, and asks it only where there is much to search.
	o = &HolderCache{list: list, privileged: true, alive: func(*sockets.Process) bool { return true }}
	for range 3 {
		try("root", holdersAge, deadLive{}, "proc")
	}
	changing = true
	for range busyEnough - 1 {
		try("something new", time.Second, deadLive{}, "kernel proc")
	}
	try("often", time.Second, deadLive{}, "kernel live")
	changing = false
	for range busyEnough {
		look(time.Second, deadLive{})
	}
	try("quiet again", holdersAge, deadLive{}, "proc")
}
