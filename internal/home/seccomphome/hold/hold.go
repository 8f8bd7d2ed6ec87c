// Package hold keeps the listening sockets of a service open, as duplicates, while
// the service restarts: what connects meanwhile waits in their queues.
//
// It does not put a socket in the place of a program's: see the handler of bind.
package hold

import (
	"net/netip"
	"sync"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// Socket is a listening socket of a service that this process keeps open.
type Socket struct {
	service string
	S       socket.Socket
	v6only  bool
}

// Table has the sockets that are kept open while their services restart.
type Table struct {
	mu     sync.Mutex // guards what follows
	closed bool
	kept   map[netip.AddrPort][]*Socket
	// away has the addresses that only this process holds, where no service accepts.
	away map[netip.AddrPort]bool
}

// New returns an empty table.
func New() *Table {
	return &Table{kept: make(map[netip.AddrPort][]*Socket), away: make(map[netip.AddrPort]bool)}
}

// Keep keeps the sockets that were found for a service, and returns how many it
// has then. What an earlier call kept and no process has taken stays: the process
// that was started meanwhile may have ended before it listened.
func (t *Table) Keep(service string, found []*Socket) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	has := make(map[uint64]bool)
	for _, list := range t.kept {
		for _, k := range list {
			if k.service == service {
				has[k.S.Cookie] = true
			}
		}
	}
	n = len(has)
	for _, k := range found {
		k.service = service
		at, err := k.S.Local()
		if err != nil || t.closed || has[k.S.Cookie] {
			k.S.Close()
			continue
		}
		t.kept[at] = append(t.kept[at], k)
		t.away[at] = true
		n++
	}
	return n
}

// Has reports whether a socket is kept open at an address of the home.
func (t *Table) Has(at netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.kept[at]) > 0 || len(t.kept[netip.AddrPortFrom(unotify.Mapped(at.Addr()), at.Port())]) > 0
}

// IsAway reports whether only this process holds the socket at an address.
func (t *Table) IsAway(key table.Address) bool {
	if key.Proto != loopback.TCP {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.away[key.At]
}

// Accepts keeps that a service has the socket at an address again.
func (t *Table) Accepts(key table.Address) {
	if key.Proto != loopback.TCP {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.away, key.At)
}

// Drop closes what is kept for a service.
func (t *Table) Drop(service string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, list := range t.kept {
		left := list[:0]
		for _, k := range list {
			if k.service == service {
				k.S.Close()
				continue
			}
			left = append(left, k)
		}
		if t.kept[at] = left; len(left) == 0 {
			delete(t.kept, at)
			delete(t.away, at)
		}
	}
}

// Take returns the socket that is kept for a service at one of the addresses and
// is of the same kind as s, or nil. One of another kind is closed, because the
// program now wants another.
func (t *Table) Take(service string, s *socket.Socket, v6only bool, at ...netip.AddrPort) (got *Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, where := range at {
		left := t.kept[where][:0:0]
		for _, k := range t.kept[where] {
			fits := k.S.Domain == s.Domain && k.S.Raw == s.Raw && k.v6only == v6only
			switch {
			case k.service != service:
				left = append(left, k)
			case got == nil && fits:
				got = k
			case fits:
				left = append(left, k) // for the next process of the service
			default:
				k.S.Close()
			}
		}
		if t.kept[where] = left; len(left) == 0 {
			delete(t.kept, where)
		}
	}
	return got
}

// Close closes all that is kept.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, list := range t.kept {
		for _, k := range list {
			k.S.Close()
		}
	}
	clear(t.kept)
}
