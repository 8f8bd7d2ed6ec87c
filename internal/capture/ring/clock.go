package ring

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// clock turns the kernel's time since boot, which records have, into the time of day.
// Both run at one rate (timekeeping of Linux, CLOCK_BOOTTIME and CLOCK_REALTIME), so what
// is between them changes only when the time of day is set. It is kept until then: read
// anew each time, it would be as wrong as this thread was kept from running between the
// two readings, and a packet could seem to be older than the one that it answers.
type clock struct {
	offset int64 // of the time of day from that since boot, in nanoseconds
	known  bool
}

// reading is one reading of both clocks, in nanoseconds: that since boot before and after
// that of the day.
type reading struct{ before, day, after int64 }

// read returns the time since boot, and keeps the offset.
func (c *clock) read() (boot uint64, err error) {
	r, err := readClocks()
	if err != nil {
		return 0, err
	}
	boot = uint64(r.before)
	// The first offset is the one of the shortest of several readings.
	for i := 0; !c.known && i < 10; i++ {
		again, err := readClocks()
		if err != nil {
			return 0, err
		}
		if again.after-again.before < r.after-r.before {
			r = again
		}
	}
	c.take(r)
	return boot, nil
}

// take keeps the offset unless a reading shows that it is another one.
func (c *clock) take(r reading) {
	least, most := r.day-r.after, r.day-r.before
	if c.known && least-unexact <= c.offset && c.offset <= most+unexact {
		return
	}
	c.offset, c.known = least+(most-least)/2, true
}

// unexact is by how much two readings may differ, in nanoseconds: the first one was in the
// middle of an interval.
const unexact = 1000

func readClocks() (r reading, err error) {
	for _, part := range []struct {
		to *int64
		id int32
	}{{&r.before, unix.CLOCK_BOOTTIME}, {&r.day, unix.CLOCK_REALTIME}, {&r.after, unix.CLOCK_BOOTTIME}} {
		var t unix.Timespec
		if err := unix.ClockGettime(part.id, &t); err != nil {
			return r, fmt.Errorf("read clock: %w", err)
		}
		*part.to = t.Nano()
	}
	return r, nil
}
