package table

import (
	"testing"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/loopback"
)

// TestSixPorts: a port is forgotten when its socket has listened and is gone, when
// its service is, and when another takes its place.
func TestSixPorts(t *testing.T) {
	var ports SixPorts
	key := Port{loopback.TCP, 3000}
	ports.Put(key, &socket.Socket{Cookie: 7}, 41000, "web")
	listens, bound := false, true
	prune := func() bool {
		ports.Prune(func(Address) bool { return listens }, func(Address) bool { return bound })
		_, ok := ports.Real(key)
		return ok
	}
	bound = false
	if !prune() {
		t.Fatal("one that has not listened yet was forgotten")
	}
	listens, bound = true, true
	prune()
	listens = false
	if !prune() {
		t.Error("one that is bound still was forgotten")
	}
	bound = false
	if prune() {
		t.Error("one that is gone is kept")
	}
	if _, ok := ports.Asked(loopback.TCP, 41000); ok {
		t.Error("its real port is kept")
	}
	ports.Put(key, &socket.Socket{Cookie: 8}, 41001, "web")
	ports.Put(key, &socket.Socket{Cookie: 9}, 41002, "web")
	if at, ok := ports.Real(key); !ok || at.Port != 41002 || at.Cookie != 9 {
		t.Errorf("%+v, %v", at, ok)
	}
	if _, ok := ports.Asked(loopback.TCP, 41001); ok {
		t.Error("the real port of the one before is kept")
	}
	ports.Forget("web")
	if _, ok := ports.Real(key); ok {
		t.Error("the port of a service that is gone is kept")
	}
}

// TestPruneKeepsWhatIsBoundMeanwhile: what is bound anew while the sockets are looked
// at is not taken for the one that is gone.
func TestPruneKeepsWhatIsBoundMeanwhile(t *testing.T) {
	var ports SixPorts
	key := Port{loopback.TCP, 3000}
	ports.Put(key, &socket.Socket{Cookie: 7}, 41000, "web")
	ports.Prune(func(Address) bool { return true }, nil)
	ports.Prune(func(Address) bool { return false }, func(Address) bool {
		ports.Put(key, &socket.Socket{Cookie: 8}, 41001, "web")
		return false
	})
	if at, ok := ports.Real(key); !ok || at.Cookie != 8 {
		t.Errorf("%+v, %v", at, ok)
	}
}
