package ring

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How long Run waits for a ring to wake it. A packet that is the first one in 50
// ms wakes it (WAKE_NS in bpf/src/tap.c), as does one in a ring that is a quarter
// full; what comes in between is found by looking again.
const (
	// soon is when it looks again after a few records: nobody waits longer for an
	// answer to what woke it.
	soon = 12 * time.Millisecond
	// whileBusy is when it looks again after many records. Each time costs the tapped
	// programs their place on a processor, so that there is to be something to do.
	whileBusy = 50 * time.Millisecond
	// many is how many records are many.
	many = 256
	// awake is how long after a record it goes on looking: a little more than those 50
	// ms, in which no other record wakes it.
	awake = 60 * time.Millisecond
	// whileIdle bounds what a packet waits that was under way so long between the
	// reading of the clock and the ring that it took the first one's wake for its
	// own.
	whileIdle = 250 * time.Millisecond
	// order is how long a packet is kept for those of other CPUs that are older and
	// come later.
	order = time.Millisecond
)

// Records reads the rings of a tap, whatever their records are: each begins with its
// time, in nanoseconds since boot.
type Records struct {
	// Read, if it is not nil, is called by Run four times a second and more: all records
	// that were written until then have been given.
	Read func(until time.Time)

	cpus  []*cpu
	epoll int
	event int // an eventfd, by which ctx's end wakes run
	last  uint64
	until uint64 // of the boot clock: what was written before has been given
	late  uint64
	clock clock
}

// OpenRecords maps the rings of all CPUs, of ringBytes each. A record has at least so
// many bytes. It takes the files over.
func OpenRecords(files []*os.File, ringBytes, least int) (*Records, error) {
	r := &Records{epoll: -1, event: -1}
	err := r.open(files, ringBytes, least)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open rings: %w", err), r.Close())
	}
	return r, nil
}

func (r *Records) open(files []*os.File, ringBytes, least int) (err error) {
	for _, f := range files {
		p, perr := openCPU(f, ringBytes) // all of them, since all are taken over
		if perr != nil {
			err = errors.Join(err, perr)
			continue
		}
		p.least = uint64(max(least, 8))
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
	if err := r.watch(r.event, unix.EPOLLIN); err != nil {
		return err
	}
	for _, p := range r.cpus {
		// A ring is readable as long as something is in it (ringbuf_map_poll_kern in
		// kernel/bpf/ringbuf.c), and under load something always is. Only its wakes
		// are waited for.
		if err := r.watch(int(p.file.Fd()), unix.EPOLLIN|unix.EPOLLET); err != nil {
			return err
		}
	}
	return nil
}

func (r *Records) watch(fd int, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &e))
}

// Close lets go of the rings.
func (r *Records) Close() error {
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

// Run calls handle for each record, with its time and without a copy, in the order of
// their times: see [Source].
func (r *Records) Run(ctx context.Context, handle func(at time.Time, record []byte) error) error {
	return r.run(ctx, func(c *cpu, wall int64) error {
		return handle(time.Unix(0, int64(c.next)+wall), c.body)
	}, func(bool) {})
}

// Late returns how many records were given after one with a later time. It must not be
// called while Run runs.
func (r *Records) Late() uint64 { return r.late }

// run gives the records; after is called when those that were there have been given, and
// told whether there were any.
func (r *Records) run(ctx context.Context, handle func(c *cpu, wall int64) error, after func(given bool)) error {
	stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(r.event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	defer stop()
	var last time.Time // when there was something
	for {
		over := ctx.Err() != nil
		given, held, err := r.drain(handle, over)
		after(given > 0)
		if err == nil && r.Read != nil {
			r.Read(time.Unix(0, int64(r.until)+r.clock.offset))
		}
		if over || err != nil {
			return err
		}
		if given > 0 {
			last = time.Now()
		}
		wait := whileIdle
		switch {
		case given >= many:
			wait = whileBusy
		case given == 0 && held:
			wait = order
		case time.Since(last) < awake:
			wait = soon
		}
		if err := r.wait(wait); err != nil {
			return err
		}
	}
}

// wait waits until a ring or the end of ctx wakes it.
func (r *Records) wait(d time.Duration) error {
	var events [8]unix.EpollEvent
	_, err := unix.EpollWait(r.epoll, events[:], int(d/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for packets: %w", os.NewSyscallError("epoll_wait", err))
	}
	return nil
}

// drain gives the records that are in the rings, all of them or those that are
// old enough. It returns how many there were, and whether some are left.
//
// The clock is read before the rings: a packet that was sent because another one
// had come has a later time than that one, which was in its ring by then. So of
// what is older than the clock no cause is missing.
func (r *Records) drain(handle func(c *cpu, wall int64) error, all bool) (given int, held bool, err error) {
	now, err := r.clock.read()
	if err != nil {
		return 0, false, err
	}
	limit := now - uint64(order)
	r.until = limit
	if all {
		limit, r.until = math.MaxUint64, now
	}
	for _, c := range r.cpus {
		c.look()
	}
	defer func() {
		for _, c := range r.cpus {
			c.free()
		}
	}()
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
			if first.next < r.last {
				r.late++
			}
			r.last = max(r.last, first.next)
			given++
			err := handle(first, r.clock.offset)
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

// first returns the ring with the oldest record, and the time of the oldest one
// of the others; nil: there are no records.
func (r *Records) first() (first *cpu, until uint64, err error) {
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
