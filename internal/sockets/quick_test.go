package sockets

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// A quick search finds the same holders as a whole one, where they are one
// family.
func TestQuick(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "sleep 600 & sleep 600 & sleep 600 & echo ready; read x; kill $(jobs -p)")
	cmd.ExtraFiles = []*os.File{f}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if n, err := out.Read(make([]byte, 16)); n == 0 {
		t.Fatal(err)
	}
	holders := func(quick bool) []int {
		t.Helper()
		tb, err := List(t.Context(), Query{Quick: quick, Protocols: []string{"tcp"}, States: []string{"listen"}, Filter: Filter{Ports: []uint16{port}}})
		if err != nil || len(tb.Rows) != 1 {
			t.Fatalf("%+v, %v", tb, err)
		}
		var pids []int
		for _, p := range tb.Rows[0].Processes {
			pids = append(pids, p.PID)
		}
		return pids
	}
	whole := holders(false)
	if len(whole) != 5 || !slices.Contains(whole, os.Getpid()) || !slices.Contains(whole, cmd.Process.Pid) {
		t.Fatalf("held by %v", whole)
	}
	if got := holders(true); !slices.Equal(got, whole) {
		t.Errorf("quick: %v, want %v", got, whole)
	}
	// Without this process the family is the shell and its children.
	_, _ = f.Close(), l.Close()
	whole = holders(false)
	if got := holders(true); len(whole) != 4 || !slices.Equal(got, whole) {
		t.Errorf("quick: %v, want %v", got, whole)
	}
}

// Where nobody can be found, a quick search is a whole one.
func TestQuickOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	tb, err := List(t.Context(), Query{Quick: true, Filter: Filter{Ports: []uint16{port}}})
	if err != nil || len(tb.Rows) != 3 {
		t.Fatalf("%+v, %v", tb, err)
	}
	for _, r := range tb.Rows {
		waits := r.State == "established" && r.Local.Port == port // not accepted: nobody's yet
		if waits != (len(r.Processes) == 0) || r.Unknown {
			t.Errorf("%+v", r)
		}
	}
	_ = l.Close()
}
