package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// How long Run waits for a ring to wake it. A packet that is the first one in 10
// ms wakes it (WAKE_NS in bpf/src/tap.c), as does one in a ring that is a quarter
// full; what comes in between is found by looking again.
const (
	// whileBusy is a little more than those 10 ms.
	whileBusy = 12 * time.Millisecond
	// whileIdle bounds what a packet waits that was under way so long between the
	// reading of the clock and the ring that it took the first one's wake for its
	// own.
	whileIdle = 250 * time.Millisecond
	// order is how long a packet is kept for those of other CPUs that are older and
	// come later.
	order = time.Millisecond
)

// Rings reads the rings of a tap.
type Rings struct {
	cpus  []*cpu
	epoll int
	event int // an eventfd, by which ctx's end wakes Run
	last  uint64
	clock clock

	mu     sync.Mutex // guards counts
	counts Counts
}

var _ Source = (*Rings)(nil)

// Open maps the rings of all CPUs, of ringBytes each. It takes the files over.
func Open(files []*os.File, ringBytes int) (*Rings, error) {
	r := &Rings{epoll: -1, event: -1}
	err := r.open(files, ringBytes)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open rings: %w", err), r.Close())
	}
	return r, nil
}

func (r *Rings) open(files []*os.File, ringBytes int) (err error) {
	for _, f := range files {
		p, perr := openCPU(f, ringBytes) // all of them, since all are taken over
		if perr != nil {
			err = errors.Join(err, perr)
			continue
		}
		r.cpus = append(r.cpus, p)
	}
	if err != nil {
		return err
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if r.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	fds := []int{r.event}
	for _, p := range r.cpus {
		fds = append(fds, int(p.file.Fd()))
	}
	for _, fd := range fds {
		e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
			return os.NewSyscallError("epoll_ctl", err)
		}
	}
	return nil
}

// Close lets go of the rings.
func (r *Rings) Close() error {
	var errs []error
	for _, fd := range []int{r.epoll, r.event} {
		if fd >= 0 {
			errs = append(errs, os.NewSyscallError("close", unix.Close(fd)))
		}
	}
	r.epoll, r.event = -1, -1
	for _, p := range r.cpus {
		errs = append(errs, p.close())
	}
	r.cpus = nil
	return errors.Join(errs...)
}

// Counts returns what has been read.
func (r *Rings) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Run is [Source].Run.
func (r *Rings) Run(ctx context.Context, handle func(*Packet) error) error {
	stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(r.event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	defer stop()
	for {
		over := ctx.Err() != nil
		given, held, err := r.drain(handle, over)
		if over || err != nil {
			return err
		}
		wait := whileIdle
		switch {
		case given:
			wait = whileBusy
		case held:
			wait = order
		}
		if err := r.wait(wait); err != nil {
			return err
		}
	}
}

// wait waits until a ring or the end of ctx wakes it.
func (r *Rings) wait(d time.Duration) error {
	var events [8]unix.EpollEvent
	_, err := unix.EpollWait(r.epoll, events[:], int(d/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for packets: %w", os.NewSyscallError("epoll_wait", err))
	}
	return nil
}

// drain gives the packets that are in the rings, all of them or those that are
// old enough. It reports whether there were any, and whether some are left.
//
// The clock is read before the rings: a packet that was sent because another one
// had come has a later time than that one, which was in its ring by then. So of
// what is older than the clock no cause is missing.
func (r *Rings) drain(handle func(*Packet) error, all bool) (given, held bool, err error) {
	now, err := r.clock.read()
	if err != nil {
		return false, false, err
	}
	limit := now - uint64(order)
	if all {
		limit = math.MaxUint64
	}
	for _, c := range r.cpus {
		c.look()
	}
	counts := r.Counts()
	defer func() {
		for _, c := range r.cpus {
			c.free()
		}
		r.mu.Lock()
		r.counts = counts
		r.mu.Unlock()
	}()
	var p Packet
	for {
		first, until, err := r.first()
		if err != nil {
			return given, false, err
		}
		if first == nil || first.next > limit {
			return given, first != nil, nil
		}
		// All of this CPU until another one has an older packet.
		for first.have && first.next <= min(until, limit) {
			if err := p.parse(first.body, r.clock.offset, p.Comm); err != nil {
				return given, false, err
			}
			p.Lost = int(first.lostBefore(binary.NativeEndian.Uint32(first.body[recordLost:])))
			counts.Lost += uint64(p.Lost)
			counts.Packets++
			counts.Bytes += uint64(p.OrigLen)
			counts.Captured += uint64(len(p.Data))
			if p.Boot < r.last {
				counts.Late++
			}
			r.last = max(r.last, p.Boot)
			given = true
			err := handle(&p)
			first.skip()
			if err == nil {
				err = first.peek()
			}
			if err != nil {
				return given, false, err
			}
		}
	}
}

// first returns the ring with the oldest packet, and the time of the oldest one
// of the others; nil: there are no packets.
func (r *Rings) first() (first *cpu, until uint64, err error) {
	until = math.MaxUint64
	for _, c := range r.cpus {
		if err := c.peek(); err != nil {
			return nil, 0, err
		}
		switch {
		case !c.have:
		case first == nil:
			first = c
		case c.next < first.next:
			first, until = c, first.next
		default:
			until = min(until, c.next)
		}
	}
	return first, until, nil
}
