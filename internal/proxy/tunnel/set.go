package tunnel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/proxy/buffers"
)

// Set has the tunnels that there are, and an epoll instance that tells
// which have something to read (epoll(7), edge-triggered). The instance is
// itself waited for by Go's runtime, so that no thread stands by for it.
type Set struct {
	buffers *buffers.Pool
	clock   *atomic.Int64 // nanoseconds since 1970
	stall   time.Duration
	file    *os.File // the epoll instance
	loop    sync.WaitGroup
	work    sync.WaitGroup // goroutines that move bytes

	mu     sync.Mutex // guards what follows
	sides  map[uint64]*side
	next   uint64
	closed bool
}

// New makes an empty set. clock has the time in nanoseconds since 1970, and may be
// behind; stall is how long a side may take to take what the other has sent.
func New(pool *buffers.Pool, clock *atomic.Int64, stall time.Duration) (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what makes os.NewFile give it to the runtime
		return nil, fmt.Errorf("set epoll instance: %w", errors.Join(err, unix.Close(fd)))
	}
	t := &Set{buffers: pool, clock: clock, stall: stall, file: os.NewFile(uintptr(fd), "epoll"), sides: map[uint64]*side{}}
	t.loop.Go(t.run)
	return t, nil
}

var errClosed = errors.New("join connections: the set is closed")

// add begins to watch both sides.
func (t *Set) add(n *tunnel) error {
	for _, s := range []*side{&n.client, &n.service} {
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return errClosed
		}
		t.next++
		s.id = t.next
		t.sides[s.id] = s
		t.mu.Unlock()
		if err := t.control(s); err != nil {
			return err
		}
	}
	return nil
}

func (t *Set) control(s *side) error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	var cerr error
	err = raw.Control(func(ep uintptr) {
		rerr := s.raw.Control(func(fd uintptr) {
			ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(s.id), Pad: int32(s.id >> 32)}
			cerr = unix.EpollCtl(int(ep), unix.EPOLL_CTL_ADD, int(fd), &ev)
		})
		cerr = errors.Join(cerr, rerr)
	})
	return errors.Join(cerr, err)
}

// remove forgets a tunnel. Closing its sockets takes them out of epoll.
func (t *Set) remove(n *tunnel) {
	t.mu.Lock()
	delete(t.sides, n.client.id)
	delete(t.sides, n.service.id)
	t.mu.Unlock()
}

// Expire ends half-open tunnels on which nothing was said for too long.
func (t *Set) Expire() {
	before := t.clock.Load() - int64(t.stall)
	var old []*tunnel
	t.mu.Lock()
	for _, s := range t.sides {
		if s == &s.of.client && s.of.stale(before) {
			old = append(old, s.of)
		}
	}
	t.mu.Unlock()
	for _, n := range old {
		n.end()
	}
}

// run wakes the sides that have something to read, until close.
func (t *Set) run() {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return // it is closed
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			var werr error
			n, werr = unix.EpollWait(int(fd), events, 0)
			return n > 0 || werr != nil && werr != unix.EINTR
		})
		if err != nil || n < 0 {
			return
		}
		for _, ev := range events[:n] {
			id := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
			t.mu.Lock()
			s := t.sides[id]
			t.mu.Unlock()
			if s != nil {
				s.wake()
			}
		}
	}
}

// Close ends all tunnels and waits for their goroutines.
func (t *Set) Close() {
	t.mu.Lock()
	t.closed = true
	all := map[*tunnel]struct{}{}
	for _, s := range t.sides {
		all[s.of] = struct{}{}
	}
	t.mu.Unlock()
	for n := range all {
		n.end()
	}
	t.file.Close() // ends run; what it says is of no use
	t.loop.Wait()
	t.work.Wait()
}
