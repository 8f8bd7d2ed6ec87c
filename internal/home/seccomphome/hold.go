package seccomphome

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// holdMax bounds how many sockets one Hold keeps.
const holdMax = 1024

// holding is a listening socket of a service that we keep open.
type holding struct {
	service string
	s       socket
	v6only  bool
}

func (k *holding) release() { k.s.close() }

// Hold keeps a service's listening TCP sockets in the home open while the
// service restarts, so that no connection is refused: what is made meanwhile
// waits in the queue, as long as the backlog has room. The next process of the
// service that binds the same address gets the very socket that is held, in
// the place of its own. n is how many are held now.
//
// A program that calls shutdown on its listening socket before it ends closes
// it for us, too; most only close it.
func (h *Home) Hold(service string) (n int, err error) {
	pids, err := h.Pids(service)
	if err != nil {
		return 0, err
	}
	want, err := h.listens.Do(h.listening)
	if err != nil {
		return 0, err
	}
	var found []*holding
	seen := make(map[uint64]bool)
	var failed error
	for _, pid := range pids {
		list, err := h.listenersOf(pid, want, seen)
		failed = errors.Join(failed, err)
		found = append(found, list...)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// What an earlier Hold kept and nobody has taken stays: the process that was
	// started meanwhile may have ended before it listened.
	kept := h.keptFor(service)
	n = len(kept)
	for _, k := range found {
		k.service = service
		at, err := k.s.local()
		if err != nil || h.closed || kept[k.s.cookie] {
			k.release()
			continue
		}
		h.held[at] = append(h.held[at], k)
		h.away[at] = true
		n++
	}
	if failed != nil {
		return n, fmt.Errorf("hold sockets of %s: %w", service, failed)
	}
	return n, nil
}

// keptFor returns the cookies of the sockets that are held for a service. Call it
// with mu held.
func (h *Home) keptFor(service string) map[uint64]bool {
	kept := make(map[uint64]bool)
	for _, list := range h.held {
		for _, k := range list {
			if k.service == service {
				kept[k.s.cookie] = true
			}
		}
	}
	return kept
}

// holds reports whether we keep a socket open at an address of the home.
func (h *Home) holds(at netip.AddrPort) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held[at]) > 0 || len(h.held[netip.AddrPortFrom(unotify.Mapped(at.Addr()), at.Port())]) > 0
}

// Unhold lets go of what Hold kept for a service and nobody took.
func (h *Home) Unhold(service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, list := range h.held {
		kept := list[:0]
		for _, k := range list {
			if k.service == service {
				k.release()
				continue
			}
			kept = append(kept, k)
		}
		if h.held[at] = kept; len(kept) == 0 {
			delete(h.held, at)
			delete(h.away, at)
		}
	}
}

// LetGo is Unhold.
func (h *Home) LetGo(service string) { h.Unhold(service) }

// listening returns the inode numbers of the listening TCP sockets of the home.
func (h *Home) listening() (map[uint32]bool, error) {
	out := make(map[uint32]bool)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := h.conn.Dump(loopback.TCP, family, diag.Listening)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if h.isHere(loopback.TCP, s.Src) {
				out[s.Inode] = true
			}
		}
	}
	return out, nil
}

// listenersOf duplicates those sockets of a process that listen in the home.
// seen holds the cookies of those that we have.
func (h *Home) listenersOf(pid int, inodes map[uint32]bool, seen map[uint64]bool) ([]*holding, error) {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			return nil, nil
		}
		return nil, err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil, nil
		}
		return nil, err
	}
	defer func() { _ = unix.Close(pidfd) }() // nothing was written to it
	// The kernel's table shows a Multipath TCP socket by its subflow, which
	// has another inode: if not all are found by number, all sockets are asked.
	var others, matching []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + e.Name())
		if err != nil {
			continue // closed meanwhile
		}
		inode, ok := holders.ParseLink(link)
		switch {
		case ok && inodes[inode]:
			matching = append(matching, fd)
		case ok:
			others = append(others, fd)
		}
	}
	if len(matching) < len(inodes) {
		matching = append(matching, others...)
	}
	var out []*holding
	for _, fd := range matching {
		if len(seen) >= holdMax {
			break
		}
		if k := h.holdOne(pidfd, fd, seen); k != nil {
			out = append(out, k)
		}
	}
	return out, nil
}

func (h *Home) holdOne(pidfd, fd int, seen map[uint64]bool) *holding {
	own, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return nil // closed meanwhile, or not ours to look into
	}
	k := &holding{s: socket{fd: own}}
	s, ours, err := h.inspect(own)
	if err == nil && ours && s.proto == loopback.TCP && !seen[s.cookie] {
		k.s, k.v6only = s, s.v6only()
		listens, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		at, errLocal := s.local()
		if err == nil && listens != 0 && errLocal == nil && h.isHere(loopback.TCP, at) {
			seen[s.cookie] = true
			return k
		}
	}
	k.release()
	return nil
}

// takeOver puts a held socket in the place of the fresh one that the program
// wants to bind to the same address. A held one that does not fit, because the
// program now wants another kind, is let go.
func (l *listener) takeOver(n *unotify.Notification, s *socket, asked netip.AddrPort) bool {
	if s.proto != loopback.TCP || asked.Port() == 0 {
		return false
	}
	if now, err := s.local(); err != nil || now.Port() != 0 {
		return false // bound already: EINVAL
	}
	v6only := s.v6only()
	h := l.h
	h.mu.Lock()
	at := netip.AddrPortFrom(h.spec.IP4, asked.Port())
	six := netip.AddrPortFrom(unotify.Mapped(h.spec.IP4), asked.Port())
	only := sixAddr(h.six[portKey{s.proto, asked.Port()}].port)
	var got *holding
	for _, where := range []netip.AddrPort{at, six, only} {
		if (where == only) != v6only {
			continue
		}
		kept := h.held[where][:0:0]
		for _, k := range h.held[where] {
			switch {
			case k.service != l.service:
				kept = append(kept, k)
			case got == nil && k.s.domain == s.domain && k.s.raw == s.raw && k.v6only == v6only:
				got = k
			case k.s.domain == s.domain && k.s.raw == s.raw && k.v6only == v6only:
				kept = append(kept, k) // for the next process of the service
			default:
				k.release()
			}
		}
		if h.held[where] = kept; len(kept) == 0 {
			delete(h.held, where)
		}
	}
	h.mu.Unlock()
	if got == nil {
		return false
	}
	copyOptions(s.fd, got.s.fd)
	if l.replace(n, s, &got.s) != 0 {
		got.release()
		return false
	}
	if v6only {
		h.putSix(portKey{s.proto, asked.Port()}, s, only.Port(), l.service)
	}
	return true
}

// replace puts another socket in the place of the program's own, with the same
// flags. On success s is the new one, and the old duplicate is closed.
func (l *listener) replace(n *unotify.Notification, s, by *socket) unix.Errno {
	flags, err := unix.FcntlInt(uintptr(s.fd), unix.F_GETFL, 0)
	if err != nil {
		return unotify.Number(err)
	}
	if _, err := unix.FcntlInt(uintptr(by.fd), unix.F_SETFL, flags); err != nil {
		return unotify.Number(err)
	}
	fd := int(int32(n.Args[0])) //nolint:gosec // a C int
	own, err := unotify.DescriptorFlags(n.TID, fd)
	if err != nil {
		return unotify.Number(err)
	}
	if errno := unotify.Substitute(l.fd, n.ID, by.fd, fd, own&unix.O_CLOEXEC != 0); errno != 0 {
		return errno
	}
	s.close()
	if by.cookie == 0 {
		// A failure only costs the memory of what was asked for.
		by.cookie, _ = unix.GetsockoptUint64(by.fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	}
	*s = *by
	return 0
}

// copyOptions copies the options that programs set before bind. What one of
// the sockets does not have is left out.
func copyOptions(from, to int) {
	for _, o := range [][2]int{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
	} {
		v, err := unix.GetsockoptInt(from, o[0], o[1])
		if err != nil {
			continue
		}
		if now, err := unix.GetsockoptInt(to, o[0], o[1]); err == nil && now != v {
			_ = unix.SetsockoptInt(to, o[0], o[1], v) // a wish, not a need
		}
	}
	for _, o := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if v, err := unix.GetsockoptTimeval(from, unix.SOL_SOCKET, o); err == nil {
			_ = unix.SetsockoptTimeval(to, unix.SOL_SOCKET, o, v) // as above
		}
	}
}
