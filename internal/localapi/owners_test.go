package localapi

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/owners"
	"lodge/internal/sockets/holders"
)

var _ holders.Live = (*Client)(nil)

func ownersSample() *owners.Table {
	return &owners.Table{
		Boot: uint64(time.Hour),
		Processes: []owners.Process{
			{PID: 7, Parent: 1, UID: 1000, Start: 4200, Name: "curl", Command: "curl\x00-d\x00a b\x00", Cut: true},
			{PID: 9, Start: 1, Name: "sshd"},
		},
		Holdings: []owners.Holding{{Inode: 4711, Process: 1, Opened: uint64(time.Minute)}, {Inode: 4711, Process: 0}, {Inode: 5, Process: 1}},
		Closed: []owners.Closed{
			{Namespace: 3, Local: netip.MustParseAddrPort("127.0.0.1:49342"), Remote: netip.MustParseAddrPort("127.0.0.1:80"), Process: 0, At: uint64(time.Minute)},
			{Namespace: 3, Local: netip.MustParseAddrPort("127.0.0.1:49342"), Remote: netip.MustParseAddrPort("127.0.0.1:80"), Process: 1, At: uint64(time.Second)},
		},
		Hidden:   2,
		Warnings: []string{"something was lost"},
	}
}

func TestOwnersOfTable(t *testing.T) {
	boot := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	table, closed, err := owners.ParseOpen(ownersSample().Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	o := fromTable(table, closed, boot)
	if got := o.Holders(4711); !slices.Equal(got, []int32{1, 0}) {
		t.Errorf("holders %v", got)
	}
	if at, ok := o.OpenedAt(4711); !ok || !at.Equal(boot.Add(time.Minute)) {
		t.Errorf("opened %v, %v", at, ok)
	}
	if at, ok := o.OpenedAt(5); ok {
		t.Errorf("opened %v", at)
	}
	p := o.Processes[0]
	if p.PID != 7 || p.ParentPID != 1 || p.UID != 1000 || p.Start != 4200 || p.Name != "curl" ||
		p.Command != "curl -d 'a b' …" || !p.StartedAt.Equal(boot.Add(42*time.Second)) {
		t.Errorf("%+v", p)
	}
	ends := holders.Ends{Protocol: loopback.TCP, Namespace: 3, Local: netip.MustParseAddrPort("127.0.0.1:49342"), Remote: netip.MustParseAddrPort("127.0.0.1:80")}
	if c := o.LastOwner(ends); c.Process != p || !c.At.Equal(boot.Add(time.Minute)) {
		t.Errorf("closed %+v", c)
	}
	if o.Unreadable != 2 || len(o.Warnings) != 1 {
		t.Errorf("%d unreadable, warnings %q", o.Unreadable, o.Warnings)
	}
}

func TestOwnersAnswers(t *testing.T) {
	table := ownersSample().Append(nil)
	for _, c := range []struct {
		name   string
		status int
		length string
		body   []byte
		none   bool
		want   string
	}{
		{"whole", 200, "", table, false, ""},
		{"no helper", 501, "", []byte(`{"message":"ask for the owners of sockets: helper: not installed","hint":"sudo lodge setup"}`), true, "there is no live map of sockets: ask"},
		{"refused", 409, "", []byte(`{"message":"start live map"}`), false, "start live map"},
		{"cut", 200, "", table[:40], false, "read the daemon's answer: read table of owners: it is cut short"},
		{"cut on the way", 200, "4000", table, false, "read the daemon's answer: unexpected EOF"},
		{"too long", 200, "99999999999", table[:1], false, "read the daemon's answer: 99999999999 bytes are too many"},
		{"empty", 200, "", nil, false, "read the daemon's answer: read table of owners: it is none"},
		{"another answer", 200, "", []byte(`{}`), false, "read the daemon's answer: read table of owners: it is none"},
	} {
		cl := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/owners" {
				w.WriteHeader(404)
				return
			}
			if c.length != "" {
				w.Header().Set("Content-Length", c.length)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write(c.body)
		})
		got, err := cl.Owners(t.Context())
		if c.want == "" {
			if err != nil || len(got.Processes) != 2 {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || errors.Is(err, holders.ErrNoLive) != c.none {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		var e *Error
		if c.none && (!errors.As(err, &e) || e.Hint != "sudo lodge setup") {
			t.Errorf("%s: no hint in %#v", c.name, err)
		}
	}
	if _, err := New(t.TempDir() + "/none").Owners(t.Context()); !errors.Is(err, holders.ErrNoLive) || !NotRunning(err) {
		t.Errorf("no daemon: %v", err)
	}
}

func FuzzOwners(f *testing.F) {
	f.Add(ownersSample().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, closed, err := owners.ParseOpen(b)
		if err != nil {
			return
		}
		o := fromTable(table, closed, time.Unix(0, 0))
		for _, h := range table.Holdings {
			if h.Inode != 0 && !slices.Contains(o.Holders(h.Inode), int32(h.Process)) {
				t.Errorf("%+v is not found", h)
			}
		}
	})
}

func BenchmarkOwners(b *testing.B) {
	t := &owners.Table{Processes: make([]owners.Process, 1000), Holdings: make([]owners.Holding, 200000)}
	for i := range t.Holdings {
		t.Holdings[i] = owners.Holding{Inode: uint32(i + 1), Process: uint32(i % 1000)}
	}
	buf := t.Append(nil)
	for b.Loop() {
		t, closed, err := owners.ParseOpen(buf)
		if err != nil {
			b.Fatal(err)
		}
		fromTable(t, closed, time.Unix(0, 0))
	}
}
