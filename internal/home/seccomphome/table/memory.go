package table

import (
	"net/netip"
	"sync"

	"lodge/internal/home/seccomphome/socket"
)

// Memory has the sockets whose address was rewritten: which one the program asked
// for, so that it is shown that one. A socket that is in it is inside.
type Memory struct {
	kernel *Kernel

	mu     sync.Mutex // guards what follows
	asked  generations[netip.AddrPort]
	mapped generations[struct{}]
	led    generations[netip.AddrPort]
}

// NewMemory returns an empty memory. The sockets that it remembers, kernel knows.
func NewMemory(kernel *Kernel) *Memory { return &Memory{kernel: kernel} }

// Remember keeps which address the program of a socket asked for.
func (m *Memory) Remember(s *socket.Socket, asked netip.AddrPort) {
	m.kernel.Know(s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked.put(s.Cookie, asked)
}

// Asked returns the address that the program of a socket asked for. ok is false
// where the socket is not known to be inside.
func (m *Memory) Asked(cookie uint64) (asked netip.AddrPort, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked.get(cookie)
}

// Has reports whether a socket is known to be inside.
func (m *Memory) Has(cookie uint64) bool {
	_, ok := m.Asked(cookie)
	return ok
}

// Led keeps which address a service sees of the program of a socket that is connected to
// the relay.
func (m *Memory) Led(cookie uint64, client netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.led.put(cookie, client)
}

// Client returns the address that Led kept of a socket.
func (m *Memory) Client(cookie uint64) (client netip.AddrPort, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.led.get(cookie)
}

// KeepMapped keeps that an IPv6 socket was connected to an IPv4 address.
func (m *Memory) KeepMapped(cookie uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mapped.put(cookie, struct{}{})
}

// WasMapped reports whether an IPv6 socket was connected to an IPv4 address.
func (m *Memory) WasMapped(cookie uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, was := m.mapped.get(cookie)
	return was
}
