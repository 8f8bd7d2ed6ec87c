package explain

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/explain/input"
)

// TestPathsThatAreNoSocket are told for what they are, by whom they may be read
// or not.
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
		says        string
	}{
		{loop, "", "", 1000, NotASocket, "links lead back to themselves"},
		{loop, "EADDRINUSE", input.Bind, 1000, NotASocket, "links lead back to themselves"},
		{dir, "ECONNREFUSED", input.Connect, 1000, NotASocket, "is a directory, no socket"},
		{dir, "EADDRINUSE", input.Bind, 1000, NotASocket, "is a directory, no socket"},
		{gone, "EADDRINUSE", input.Bind, 1000, FreeNow, "any more"},
	} {
		f := &Facts{UID: c.uid, Question: input.Question{Unix: c.path, Operation: c.op, Errno: c.errno}, Unix: &UnixSocket{Path: c.path}}
		f.Unix.look()
		got := f.unixCauses()
		if len(got) != 1 || got[0].Code != c.code || !strings.Contains(got[0].Summary, c.says) {
			t.Errorf("%s %s: %+v", c.op, c.path, got)
		}
	}
}

// TestAddressNotAvailable is no matter of who has the port.
func TestAddressNotAvailable(t *testing.T) {
	ip := netip.MustParseAddr("127.0.0.1")
	f := &Facts{
		Question: input.Question{IPs: []netip.Addr{ip}, Port: 3000, HasPort: true, Operation: input.Bind, Errno: "EADDRNOTAVAIL"},
		Targets:  []netip.Addr{ip}, Local: map[netip.Addr]string{ip: "lo"},
	}
	got := f.bindCauses()
	if len(got) != 1 || got[0].Code != FreeNow || !strings.Contains(got[0].Summary, "not that the port is in use") {
		t.Errorf("%+v", got)
	}
}
