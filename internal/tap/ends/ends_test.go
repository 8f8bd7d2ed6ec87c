package ends

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/model"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
	"lodge/internal/tap"
)

var (
	client = netip.MustParseAddrPort("127.0.0.1:40000")
	server = netip.MustParseAddrPort("127.80.0.1:5432")
)

// rig has a table of sockets and a clock.
type rig struct {
	rows  []sockets.Row
	err   error
	reads int
	now   time.Time
	warns []string
}

func (r *rig) options() Options {
	r.now = time.Now()
	return Options{
		Table: func(context.Context) (*sockets.Table, error) {
			r.reads++
			return &sockets.Table{Rows: r.rows}, r.err
		},
		Homes: func() []Home {
			return []Home{{Home: holders.Home{Project: "shop", IP4: server.Addr()}, Endpoints: []Endpoint{{At: server, Service: "db"}}}}
		},
		Now:  func() time.Time { return r.now },
		Warn: func(text string) { r.warns = append(r.warns, text) },
	}
}

func address(a netip.AddrPort) *sockets.Address {
	return &sockets.Address{IP: a.Addr(), Port: a.Port()}
}

func TestHolders(t *testing.T) {
	psql := &holders.Process{PID: 7, Start: 70, Name: "psql"}
	db := []*holders.Process{{PID: 8, Start: 80, Name: "postgres", Project: "shop", Service: "db"}, {PID: 9, Start: 90, Name: "postgres"}}
	r := &rig{rows: []sockets.Row{
		{Protocol: loopback.TCP, State: "established", Local: address(client), Remote: address(server), Processes: []*holders.Process{psql}},
		{Protocol: loopback.TCP, State: "listen", Local: &sockets.Address{IP: netip.IPv6Unspecified(), Port: 5432}, Processes: db},
	}}
	f := New(t.Context(), r.options())
	got, source := f.Holders(packet.TCP, client, server, 0)
	if len(got) != 1 || got[0].PID != 7 || source != tap.SourceSocket {
		t.Errorf("client: %+v by %s", got, source)
	}
	got, source = f.Holders(packet.TCP, server, client, 0)
	if len(got) != 2 || got[0].PID != 8 || source != tap.SourceListener {
		t.Errorf("server: %+v by %s", got, source)
	}
	// An IPv4-mapped address is the same socket.
	mapped := netip.AddrPortFrom(netip.AddrFrom16(client.Addr().As16()), client.Port())
	if got, _ := f.Holders(packet.TCP, mapped, server, 0); len(got) != 1 {
		t.Errorf("mapped: %+v", got)
	}
	if p := f.Place(server, &model.Process{PID: 8, Start: 80}); p != (tap.Place{Project: "shop", Service: "db"}) {
		t.Errorf("place %+v", p)
	}
	if r.reads != 1 {
		t.Errorf("the table was read %d times", r.reads)
	}
}

// The table is read again for an end that it does not have, but not all the time.
func TestTableIsReadNowAndThen(t *testing.T) {
	r := &rig{}
	f := New(t.Context(), r.options())
	for range 10 {
		if got, _ := f.Holders(packet.UDP, client, server, 0); got != nil {
			t.Fatalf("holders %+v", got)
		}
	}
	if r.reads != 1 {
		t.Errorf("read %d times at once", r.reads)
	}
	r.now = r.now.Add(2 * patience)
	r.rows = []sockets.Row{{Protocol: loopback.UDP, State: "bound", Local: address(client), Processes: []*holders.Process{{PID: 3}}}}
	if got, source := f.Holders(packet.UDP, client, server, 0); len(got) != 1 || source != tap.SourceListener || r.reads != 2 {
		t.Errorf("later: %+v by %s, read %d times", got, source, r.reads)
	}
	r.now, r.err = r.now.Add(2*patience), errors.New("no")
	f.Holders(packet.UDP, server, client, 0)
	if len(r.warns) != 1 {
		t.Errorf("warnings %q", r.warns)
	}
}

func TestPlaces(t *testing.T) {
	f := New(t.Context(), (&rig{}).options())
	for at, want := range map[string]tap.Place{
		"127.80.0.1:5432": {Project: "shop", Service: "db"}, "127.80.0.1:80": {Project: "shop"}, "127.0.0.1:5432": {}, "[::ffff:127.80.0.1]:5432": {Project: "shop", Service: "db"},
	} {
		if got := f.Place(netip.MustParseAddrPort(at), nil); got != want {
			t.Errorf("%s: %+v, want %+v", at, got, want)
		}
	}
}

// A process is completed while it runs, and known after its end.
func TestSender(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	r := &rig{}
	f := New(t.Context(), r.options())
	p := f.Sender(model.Process{PID: pid, Name: "cat"}, mark.Mark{})
	for deadline := time.Now().Add(30 * time.Second); p.Command == "" && time.Now().Before(deadline); {
		p = f.Sender(model.Process{PID: pid, Name: "cat"}, mark.Mark{}) // it is being executed
	}
	if p.PID != pid || p.Name != "cat" || p.Command != "cat" || p.Start == 0 || p.StartedAt == nil {
		t.Errorf("alive: %+v", p)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := f.Sender(model.Process{PID: pid, Start: p.Start, Name: "cat"}, mark.Mark{}); got.Command != "cat" {
		t.Errorf("ended: %+v", got)
	}
	if got := f.Sender(model.Process{PID: pid, Start: p.Start + 1, Name: "dog"}, mark.Mark{}); got.Name != "dog" || got.Command != "" {
		t.Errorf("another process with its id: %+v", got)
	}
}
