package sockets

import (
	"net"
	"os"
	"testing"

	"lodge/internal/loopback"
)

// A brief says what the row says, and the index of the other end is that of
// its row, also after rows were left out.
func TestBriefIsPartOfRow(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	s, err := Scan(t.Context(), Query{Unix: true, Filter: Filter{PIDs: []int{os.Getpid()}}})
	if err != nil {
		t.Fatal(err)
	}
	check := func() (pairs int) {
		var m, n RowMaker
		for i := range s.Len() {
			r, b := s.Row(i, &m), s.Brief(i)
			queued := known(r.RecvQueue) > 0 || known(r.SendQueue) > 0 || r.Backlog != nil && *r.Backlog > 0
			if b.Protocol != r.Protocol || b.State != r.State || b.Scope != r.Scope || b.Inode != r.Inode || b.Namespace != r.Namespace || b.Queued != queued {
				t.Errorf("brief %+v of %+v", b, r)
			}
			if r.Local != nil && b.Local != r.Local.AddrPort() || r.Remote != nil && b.Remote != r.Remote.AddrPort() || (r.Remote == nil) == b.Remote.IsValid() {
				t.Errorf("brief %+v of %v, %v", b, r.Local, r.Remote)
			}
			if b.Peer < 0 {
				continue
			}
			if p := s.Row(b.Peer, &n); r.Peer == nil || p.Inode != r.Peer.Inode || s.Brief(b.Peer).Peer != i {
				t.Errorf("the other end of row %d is %d: %+v", i, b.Peer, r.Peer)
			}
			if b.Protocol == loopback.TCP && (b.Local.Port() == port || b.Remote.Port() == port) {
				pairs++
			}
		}
		return pairs
	}
	if got := check(); got != 2 {
		t.Errorf("%d rows have the other end among them, want both of the connection", got)
	}
	s.Keep(func(r *Row) bool { return r.Local != nil && r.Local.Port == port })
	if s.Len() != 2 {
		t.Errorf("kept %d rows, want the listener and the server's end", s.Len())
	}
	if got := check(); got != 0 {
		t.Errorf("%d rows have an end that was left out", got)
	}
}
