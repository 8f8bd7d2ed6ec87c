package seccomphome

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/table"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// watchEvery is how often the home's sockets are looked for. The kernel does not
// report that a socket was closed.
const watchEvery = 250 * time.Millisecond

// watch tells of sockets of services that are not there any more. It asks for each
// address that a service has, which costs the same however many sockets the
// machine has.
type watch struct {
	kernel  *table.Kernel
	owners  *table.Owners
	changed func()
	// told has the addresses that were told of, with the cookie of the socket
	// that was there instead.
	told map[netip.AddrPort]uint64
}

// run looks until the descriptor stop is readable.
func (w *watch) run(stop int) {
	w.told = make(map[netip.AddrPort]uint64)
	fds := []unix.PollFd{{Fd: int32(stop), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	for {
		n, err := unix.Poll(fds, int(watchEvery/time.Millisecond))
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
		if w.lost() {
			w.changed()
		}
	}
}

// lost reports whether an address of a service has another socket now, or
// none, that was not told of.
func (w *watch) lost() bool {
	at := w.owners.TCP()
	for key := range w.told {
		if !slices.Contains(at, key) {
			delete(w.told, key)
		}
	}
	news := false
	w.kernel.LookupEach(loopback.TCP, at, func(i int, got diag.Socket, found bool, err error) {
		if err != nil {
			return
		}
		_, ours := w.owners.Of(table.Address{Proto: loopback.TCP, At: at[i]}, got.Cookie)
		if found && ours {
			delete(w.told, at[i])
			return
		}
		if last, was := w.told[at[i]]; !was || last != got.Cookie {
			w.told[at[i]], news = got.Cookie, true
		}
	})
	return news
}
