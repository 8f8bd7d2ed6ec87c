package seccomphome

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Endpoints lists who listens in the home, as the kernel's socket table says.
// An IPv6-only socket is shown where it really is: at ::1 and a port that
// programs inside do not know. What only Hold keeps open is not listed, nor
// are clients' UDP sockets at the wildcard address.
func (h *Home) Endpoints() ([]loopback.Endpoint, error) {
	var out []loopback.Endpoint
	here := make(map[endKey]bool)
	// What starts to listen while the kernel's list is read may not be in it.
	h.mu.Lock()
	before := maps.Clone(h.bound)
	h.mu.Unlock()
	for _, q := range []struct {
		proto  loopback.Protocol
		states uint32
	}{{loopback.TCP, sockets.Listening}, {loopback.UDP, 1 << sockets.StateClose}} {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			list, err := h.conn.Dump(q.proto, family, q.states)
			if err != nil {
				return nil, fmt.Errorf("list endpoints of home %s: %w", h.spec.ID, err)
			}
			for i := range list {
				key := endKey{q.proto, list[i].Src}
				// Several sockets can share one address (SO_REUSEPORT).
				if !h.isHere(q.proto, key.at) || here[key] {
					continue
				}
				here[key] = true
				if e, ok := h.endpoint(key, list[i].Inode); ok {
					out = append(out, e)
				}
			}
		}
	}
	h.forgetGone(before, here)
	slices.SortFunc(out, func(a, b loopback.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol), a.IP.Compare(b.IP))
	})
	return out, nil
}

func (h *Home) endpoint(key endKey, inode uint32) (loopback.Endpoint, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key.proto == loopback.TCP && h.away[key.at] {
		return loopback.Endpoint{}, false
	}
	service, ok := h.bound[key]
	if !ok && key.proto == loopback.TCP {
		service = h.leases[key.at.Port()].service
	}
	return loopback.Endpoint{Protocol: key.proto, IP: key.at.Addr().Unmap(), Port: key.at.Port(), Service: service, Inode: inode}, true
}

// forgetGone drops what the tables say of sockets that are not there any more.
// An IPv6-only socket that has not listened yet is not in the kernel's list.
func (h *Home) forgetGone(before map[endKey]string, here map[endKey]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range before {
		// A UDP socket that is connected leaves the list and stays bound; its
		// entry is one of at most as many as there are ports.
		if key.proto == loopback.TCP && !here[key] {
			delete(h.bound, key)
		}
	}
	for key, at := range h.six {
		real := endKey{key.proto, sixAddr(at.port)}
		switch {
		case here[real]:
			at.listened = true
			h.six[key] = at
		case at.listened:
			delete(h.six, key)
			delete(h.sixReal, portKey{key.proto, at.port})
		}
	}
}
