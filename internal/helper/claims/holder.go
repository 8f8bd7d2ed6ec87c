package claims

import (
	"net/netip"
	"strconv"
	"sync"
)

const addressPrefix = "address "

// Address is the key of a home's address. It is free as soon as it is released.
func Address(ip4 netip.Addr) string { return addressPrefix + ip4.String() }

// Name is the key of a host name.
func Name(n string) string { return "name " + n }

// Port is the key of a port of localhost.
func Port(p uint16) string { return "port " + strconv.Itoa(int(p)) }

// Holder is what one session of a user has claimed. It may be used by several
// goroutines.
type Holder struct {
	table *Table
	uid   uint32

	mu    sync.Mutex // guards taken; held while the table is asked
	taken map[string]int
}

// Holder returns a session of the user uid, which has claimed nothing yet.
func (c *Table) Holder(uid uint32) *Holder {
	return &Holder{table: c, uid: uid, taken: map[string]int{}}
}

// Take has the user have what key means, once more. The error is a
// [*policy.NotYoursError] where another user has it.
func (h *Holder) Take(key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.table.take(key, h.uid); err != nil {
		return err
	}
	h.taken[key]++
	return nil
}

// Release takes back one Take.
func (h *Holder) Release(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.release(key)
}

// release is Release; the caller holds mu.
func (h *Holder) release(key string) {
	if h.taken[key] == 0 {
		return
	}
	h.table.release(key, h.uid)
	if h.taken[key]--; h.taken[key] == 0 {
		delete(h.taken, key)
	}
}

// ReleaseAll takes back all claims of the session.
func (h *Holder) ReleaseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.taken {
		for h.taken[key] > 0 {
			h.release(key)
		}
	}
}

// Empty reports whether the session has claimed nothing.
func (h *Holder) Empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.taken) == 0
}
