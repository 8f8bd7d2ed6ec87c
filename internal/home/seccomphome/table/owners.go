package table

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/loopback"
)

// Owner is a socket that a service was seen to bind or to make listen. Another
// socket at the same address, because the service closed its own, has another
// cookie.
type Owner struct {
	Cookie  uint64
	Service string
}

// ownersMax bounds the sockets of one address: with SO_REUSEPORT a program has
// one for each of its threads.
const ownersMax = 1024

// Owners has which service the socket at an address belongs to.
type Owners struct {
	kernel *Kernel

	mu sync.Mutex // guards what follows
	// at has the sockets that listen or are bound. A list is never changed, only
	// replaced: Snapshot hands it out.
	at map[Address][]Owner
	// binder has the service that bound a socket, which may not listen yet.
	binder generations[string]
}

// NewOwners returns an empty table. The sockets that it has, kernel knows.
func NewOwners(kernel *Kernel) *Owners {
	return &Owners{kernel: kernel, at: make(map[Address][]Owner)}
}

// Add keeps that a service has the socket at an address.
func (o *Owners) Add(key Address, s *socket.Socket, service string) {
	o.kernel.Know(s)
	cookie := o.kernel.CookieAt(s, key.At)
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(o.at[key]), func(x Owner) bool { return x.Cookie == cookie })
	if len(list) >= ownersMax {
		list = list[1:]
	}
	o.at[key] = append(list, Owner{cookie, service})
}

// AddBound keeps which service bound a socket.
func (o *Owners) AddBound(cookie uint64, service string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.binder.put(cookie, service)
}

// Of returns the service that made the socket at an address.
func (o *Owners) Of(key Address, cookie uint64) (service string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, x := range o.at[key] {
		if x.Cookie == cookie {
			return x.Service, true
		}
	}
	// One that made itself undumpable between bind and listen.
	return o.binder.get(cookie)
}

// At returns the service that has a socket at an address, "" where none is known to.
func (o *Owners) At(key Address) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if list := o.at[key]; len(list) > 0 {
		return list[len(list)-1].Service
	}
	return ""
}

// Has reports whether a service had a socket at an address.
func (o *Owners) Has(key Address) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.at[key]) > 0
}

// Any reports whether any of the cookies is that of a service's socket at an address.
func (o *Owners) Any(key Address, cookies map[uint64]bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.at[key], func(x Owner) bool { return cookies[x.Cookie] })
}

// IsService reports whether a socket at a port belongs to a service.
func (o *Owners) IsService(port uint16, cookie uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ours := o.binder.get(cookie); ours {
		return true
	}
	for key, list := range o.at { // Multipath TCP of a service that is another user's
		if key.At.Port() == port && slices.ContainsFunc(list, func(x Owner) bool { return x.Cookie == cookie }) {
			return true
		}
	}
	return false
}

// Snapshot returns the sockets as they are now. The caller does not change the lists.
func (o *Owners) Snapshot() map[Address][]Owner {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.at)
}

// TCP returns the TCP addresses that services have.
func (o *Owners) TCP() []netip.AddrPort {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]netip.AddrPort, 0, len(o.at))
	for key := range o.at {
		if key.Proto == loopback.TCP {
			out = append(out, key.At)
		}
	}
	return out
}

// Drop drops the sockets that gone selects.
func (o *Owners) Drop(gone func(Owner) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, list := range o.at {
		if list = slices.DeleteFunc(slices.Clone(list), gone); len(list) == 0 {
			delete(o.at, key)
		} else {
			o.at[key] = list
		}
	}
}
