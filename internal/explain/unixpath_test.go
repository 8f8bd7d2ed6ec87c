package explain

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/input"
	"lodge/internal/model"
)

// TestAddressNotAvailable does not depend on which process has the port.
func TestAddressNotAvailable(t *testing.T) {
	ip := netip.MustParseAddr("127.0.0.1")
	f := &facts.Facts{
		Question: input.Question{IPs: []netip.Addr{ip}, Port: 3000, HasPort: true, Operation: input.Bind, Errno: "EADDRNOTAVAIL"},
		Targets:  []netip.Addr{ip}, Local: map[netip.Addr]string{ip: "lo"},
	}
	got := Report(f).Causes
	if len(got) != 1 || got[0].Code != FreeNow || got[0].Evidence[0].Kind != model.KindAddress {
		t.Errorf("%+v", got)
	}
}

// TestPathsThatAreNoSocket are told for what they are, also where this user may not
// read them.
func TestPathsThatAreNoSocket(t *testing.T) {
	dir := t.TempDir()
	loop, gone := filepath.Join(dir, "loop.sock"), filepath.Join(dir, "gone.sock")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, errno string
		op          input.Operation
		uid         uint32
		code        Code

		loop, directory bool
	}{
		{loop, "", "", 1000, NotASocket, true, false},
		{loop, "EADDRINUSE", input.Bind, 1000, NotASocket, true, false},
		{dir, "ECONNREFUSED", input.Connect, 1000, NotASocket, false, true},
		{dir, "EADDRINUSE", input.Bind, 1000, NotASocket, false, true},
		{gone, "EADDRINUSE", input.Bind, 1000, FreeNow, false, false},
	} {
		f, err := gather.Gather(t.Context(), input.Question{Unix: c.path, Operation: c.op, Errno: c.errno}, gather.Source{})
		if err != nil {
			t.Fatal(err)
		}
		f.UID = c.uid
		got := Report(f).Causes
		if len(got) != 1 || got[0].Code != c.code || f.Unix.LinkLoop != c.loop || f.Unix.Directory != c.directory {
			t.Errorf("%s %s: %+v", c.op, c.path, got)
		}
	}
}
