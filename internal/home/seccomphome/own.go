package seccomphome

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// ownSocket is a socket that a service bound, or made listen, before our eyes.
// Whoever else has a socket at the same address, because the service closed its
// own, has another cookie.
type ownSocket struct {
	cookie  uint64
	service string
}

// ownMost bounds the sockets of one address: with SO_REUSEPORT a program has
// one for each of its threads.
const ownMost = 1024

// own keeps whose the socket at an address is.
func (h *Home) own(key endKey, cookie uint64, service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Endpoints reads the old list without the lock: it is never changed.
	list := slices.DeleteFunc(slices.Clone(h.bound[key]), func(o ownSocket) bool { return o.cookie == cookie })
	if len(list) >= ownMost {
		list = list[1:]
	}
	h.bound[key] = append(list, ownSocket{cookie, service})
	if key.proto == loopback.TCP {
		delete(h.away, key.at)
	}
}

// disown forgets the sockets that f selects. h.mu is held.
func (h *Home) disown(f func(ownSocket) bool) {
	for key, list := range h.bound {
		if list = slices.DeleteFunc(slices.Clone(list), f); len(list) == 0 {
			delete(h.bound, key)
		} else {
			h.bound[key] = list
		}
	}
}

// boundBy keeps which service bound a socket.
func (h *Home) boundBy(cookie uint64, service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.binder.put(cookie, service)
}

// shownCookie returns the cookie by which the kernel's table has a socket. A
// listening Multipath TCP socket is shown by its subflow, which has another
// than the program's socket.
func (h *Home) shownCookie(s *socket, at netip.AddrPort) uint64 {
	if s.raw == unix.IPPROTO_MPTCP {
		if got, found, err := h.conn.Lookup(s.proto, at); err == nil && found && got.Src == at {
			if got.FromProc {
				h.knowAs(shown{got.Inode, got.UID}, s.cookie)
				return s.cookie
			}
			return got.Cookie
		}
	}
	return s.cookie
}

// ownerOf returns the service that made the socket at an address. h.mu is held.
func (h *Home) ownerOf(key endKey, cookie uint64) (string, bool) {
	for _, o := range h.bound[key] {
		if o.cookie == cookie {
			return o.service, true
		}
	}
	// One that made itself undumpable between bind and listen.
	return h.binder.get(cookie)
}

// trusts reports whether a socket at the home's address is one that programs
// inside may be led to: theirs, or one of the same user.
func (h *Home) trusts(s *diag.Socket) bool {
	if int(s.UID) == h.uid {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ours := h.binder.get(s.Cookie); ours {
		return true
	}
	for key, list := range h.bound { // Multipath TCP of a service that is another user's
		if key.at.Port() == s.Src.Port() && slices.ContainsFunc(list, func(o ownSocket) bool { return o.cookie == s.Cookie }) {
			return true
		}
	}
	return false
}

// watchEvery is how often the home's sockets are looked for. A socket that is
// closed tells nobody.
const watchEvery = 250 * time.Millisecond

// watch tells of sockets of services that are not there any more, until the
// home is closed. It asks for each address that a service has, which costs the
// same however many sockets the machine has.
func (h *Home) watch() {
	told := make(map[endKey]uint64)
	fds := []unix.PollFd{{Fd: int32(h.stop), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	for {
		n, err := unix.Poll(fds, int(watchEvery/time.Millisecond))
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
		if h.lost(told) {
			h.changed()
		}
	}
}

// lost reports whether an address of a service has another socket now, or
// none, that was not told of.
func (h *Home) lost(told map[endKey]uint64) bool {
	h.mu.Lock()
	keys := make([]endKey, 0, len(h.bound))
	for key := range h.bound {
		if key.proto == loopback.TCP {
			keys = append(keys, key)
		}
	}
	h.mu.Unlock()
	news := false
	for key := range told {
		if !slices.Contains(keys, key) {
			delete(told, key)
		}
	}
	at := make([]netip.AddrPort, len(keys))
	for i, key := range keys {
		at[i] = key.at
	}
	h.conn.LookupEach(loopback.TCP, at, func(i int, got diag.Socket, found bool, err error) {
		if err != nil {
			return
		}
		key := keys[i]
		h.conn.complete(&got)
		h.mu.Lock()
		_, ours := h.ownerOf(key, got.Cookie)
		h.mu.Unlock()
		if found && ours {
			delete(told, key)
			return
		}
		if last, was := told[key]; !was || last != got.Cookie {
			told[key], news = got.Cookie, true
		}
	})
	return news
}
