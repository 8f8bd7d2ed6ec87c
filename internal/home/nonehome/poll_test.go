package nonehome

import (
	"errors"
	"net/netip"
	"testing"

	"lodge/internal/loopback"
)

// machine is what a poller asks, and how often it was asked.
type machine struct {
	sockets      []socket
	endpoints    []loopback.Endpoint
	fails        error
	asked, walks int
}

func (m *machine) poller() *poller {
	return &poller{
		bound:     func() ([]socket, error) { m.asked++; return m.sockets, m.fails },
		endpoints: func() ([]loopback.Endpoint, error) { m.walks++; return m.endpoints, nil },
	}
}

// listen adds a socket of a service.
func (m *machine) listen(port uint16) {
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	m.sockets = append(m.sockets[:len(m.sockets):len(m.sockets)], socket{loopback.TCP, at, uint32(port), 0})
	m.endpoints = append(m.endpoints[:len(m.endpoints):len(m.endpoints)], loopback.Endpoint{Protocol: loopback.TCP, IP: at.Addr(), Port: port, Service: "web"})
}

// TestIdlePollsDoNotWalk: while nothing happens, /proc is not walked over at each
// poll. A keeper with an idle project used much of a processor by that.
func TestIdlePollsDoNotWalk(t *testing.T) {
	for name, m := range map[string]*machine{"no sockets": {}, "a server": func() *machine { m := &machine{}; m.listen(3000); return m }()} {
		t.Run(name, func(t *testing.T) {
			p := m.poller()
			p.changed(true)
			m.walks = 0
			const polls = 10 * readEvery
			for range polls {
				if p.changed(false) {
					t.Fatal("a change, though nothing happened")
				}
			}
			if m.walks != polls/readEvery {
				t.Errorf("%d walks in %d polls, want %d", m.walks, polls, polls/readEvery)
			}
		})
	}
}

// TestPollNotices: what happens is noticed at the next poll.
func TestPollNotices(t *testing.T) {
	m := &machine{}
	p := m.poller()
	p.changed(false)
	m.listen(3000)
	if !p.changed(false) {
		t.Error("a new listener was not noticed")
	}
	m.sockets, m.endpoints = nil, nil
	if !p.changed(false) {
		t.Error("a closed listener was not noticed")
	}
	// A process that got a socket which was there before.
	m.endpoints = []loopback.Endpoint{{Protocol: loopback.TCP, Port: 4000, Service: "db"}}
	if !p.changed(true) {
		t.Error("the socket of a new process was not noticed")
	}
	// One that passed from one process to another.
	m.endpoints = nil
	n := 1
	for !p.changed(false) {
		if n++; n > readEvery {
			t.Fatal("a socket that passed to another process was not noticed")
		}
	}
}

// TestPollThatFails: where the kernel does not tell, there is no change, and no walk.
func TestPollThatFails(t *testing.T) {
	m := &machine{fails: errors.New("no answer")}
	p := m.poller()
	for range 2 * readEvery {
		if p.changed(true) {
			t.Fatal("a change")
		}
	}
	if m.walks != 0 {
		t.Errorf("%d walks", m.walks)
	}
	m.fails = nil
	m.listen(3000)
	if !p.changed(false) {
		t.Error("a listener was not noticed afterwards")
	}
}
