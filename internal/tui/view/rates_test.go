package view

import (
	"testing"
	"time"

	"lodge/internal/sockets"
	"lodge/internal/tui/view/samples"
)

func TestRates(t *testing.T) {
	row := func(cookie uint64, sent, received uint64) sockets.Row {
		return samples.Counted(samples.Sock(cookie, "established", "127.0.0.1:1>127.0.0.1:2"), sent, received, 0)
	}
	key := func(cookie uint64) socketKey { return socketKey{cookie: cookie} }
	var m Meter
	first := m.Read(at0, []sockets.Row{row(1, 1000, 50), row(2, 7, 7)})
	if len(first) != 0 {
		t.Errorf("a first reading has rates: %v", first)
	}
	other := row(3, 100, 300) // in another namespace, with the same cookie
	other.Namespace = 9
	listener := samples.Sock(5, "listen", "127.0.0.1:1")
	listener.TCP = &sockets.TCPInfo{Sent: 5}
	bare := samples.Sock(6, "established", "127.0.0.1:1>127.0.0.1:2")
	got := m.Read(at0.Add(2500*time.Millisecond), []sockets.Row{row(1, 2000, 50), row(3, 250, 1000), other, listener, bare})
	for k, want := range map[socketKey]Rate{
		key(1):  {Send: 400, Known: true},               // 1000 bytes in 2.5 s
		key(3):  {Send: 100, Receive: 400, Known: true}, // new: all of it since
		{9, 3}:  {Send: 40, Receive: 120, Known: true},  // its own counter
		key(2):  {},                                     // gone
		key(5):  {},                                     // a listener sends nothing
		key(6):  {},                                     // the kernel does not count
		key(99): {},
	} {
		if got[k] != want {
			t.Errorf("%v: got %+v, want %+v", k, got[k], want)
		}
	}
	// A counter that falls is of something else, and a clock that stands still
	// gives no rate: neither is a number to show.
	if r := m.Read(at0.Add(3*time.Second), []sockets.Row{row(1, 10, 60)}); r[key(1)].Known {
		t.Errorf("fallen counter: %+v", r)
	}
	if r := m.Read(at0.Add(3*time.Second), []sockets.Row{row(1, 20, 60)}); r[key(1)].Known {
		t.Errorf("no time between: %+v", r)
	}
	m.Reset()
	if r := m.Read(at0.Add(9*time.Second), []sockets.Row{row(1, 1000, 60)}); len(r) != 0 {
		t.Errorf("after reset: %+v", r)
	}
}

func TestRateSums(t *testing.T) {
	var r Rate
	r.add(Rate{Send: 5})
	if r.Known || r.Send != 0 {
		t.Errorf("what is not known counts: %+v", r)
	}
	r.add(Rate{Send: 5, Receive: 1, Known: true})
	r.add(Rate{Send: 2, Known: true})
	if (r != Rate{Send: 7, Receive: 1, Known: true}) || r.total() != 8 {
		t.Errorf("got %+v", r)
	}
}
