package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// client holds what is made once, before anything is timed.
type client struct {
	to  *unix.RawSockaddrInet4
	ctl int
	buf []byte
	ns  []uint32
}

// ask obeys the orders that come in, and prints a number for each.
func ask(sa *unix.SockaddrInet4, in io.Reader, out io.Writer) error {
	c := &client{to: raw(sa), buf: make([]byte, maxBytes), ns: make([]uint32, 0, 1<<20)}
	for i := range c.buf {
		c.buf[i] = 'x'
	}
	var err error
	if c.ctl, err = dial(c.to); err != nil {
		return err
	}
	if err := noDelay(c.ctl); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		v, err := c.do(lines.Text())
		if err != nil {
			return fmt.Errorf("do %q: %w", lines.Text(), err)
		}
		if _, err := fmt.Fprintln(out, v); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *client) do(line string) (uint32, error) {
	var what string
	var size uint32
	var ms, cpu, scpu int
	_, err := fmt.Sscanf(line, "rtt %d %d %d %d", &size, &ms, &cpu, &scpu)
	what = "rtt"
	if err != nil {
		_, err = fmt.Sscanf(line, "%s %d %d %d", &what, &ms, &cpu, &scpu)
	}
	if err != nil {
		return 0, err
	}
	if err := pin(cpu); err != nil {
		return 0, err
	}
	d := time.Duration(ms) * time.Millisecond
	switch what {
	case "rtt":
		if size == 0 || size > maxBytes {
			return 0, fmt.Errorf("%d bytes are not a message", size)
		}
		return c.roundTrips(order{what: 'r', cpu: scpu, count: size}, d)
	case "tput":
		return c.stream(order{what: 't', cpu: scpu}, d)
	case "connect":
		return c.connects(order{what: 'c', cpu: scpu, count: batch}, d)
	}
	return 0, fmt.Errorf("%s is unknown", what)
}

func (c *client) data(o order) (int, error) {
	if err := writeAll(c.ctl, o.bytes()); err != nil {
		return 0, err
	}
	fd, err := dial(c.to)
	if err != nil {
		return 0, err
	}
	return fd, noDelay(fd)
}

// roundTrips sends and awaits messages for d. The first tenth is not counted.
func (c *client) roundTrips(o order, d time.Duration) (uint32, error) {
	fd, err := c.data(o)
	if err != nil {
		return 0, err
	}
	defer shut(fd)
	msg := c.buf[:o.count]
	ns := c.ns[:0]
	base := time.Now()
	for last := time.Duration(0); last < d || len(ns) < least; {
		if err := writeAll(fd, msg); err != nil {
			return 0, err
		}
		if err := readAll(fd, msg); err != nil {
			return 0, err
		}
		t := time.Since(base)
		if last > d/10 && len(ns) < cap(ns) {
			ns = append(ns, uint32(t-last))
		}
		last = t
	}
	return median(ns), nil
}

// stream writes one way for d; the server does the timing, where bytes arrive.
func (c *client) stream(o order, d time.Duration) (uint32, error) {
	fd, err := c.data(o)
	if err != nil {
		return 0, err
	}
	// A machine that does other things too may not get far in the time.
	for start, n := time.Now(), 0; n < least || time.Since(start) < d; n++ {
		for range chunkBytes / writeBytes {
			if err := writeAll(fd, c.buf[:writeBytes]); err != nil {
				shut(fd)
				return 0, err
			}
		}
	}
	shut(fd)
	b := make([]byte, 4)
	if err := readAll(c.ctl, b); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// connects times from before socket(2) until the server has accepted and
// closed, and this side has closed too.
func (c *client) connects(o order, d time.Duration) (uint32, error) {
	ns := c.ns[:0]
	end := make([]byte, 1)
	base := time.Now()
	for last := time.Duration(0); last < d; {
		if err := writeAll(c.ctl, o.bytes()); err != nil {
			return 0, err
		}
		for i := range batch {
			start := time.Since(base)
			fd, err := dial(c.to)
			if err != nil {
				return 0, err
			}
			if _, err := readSome(fd, end); err != nil {
				shut(fd)
				return 0, err
			}
			shut(fd)
			last = time.Since(base)
			if i > batch/8 && len(ns) < cap(ns) {
				ns = append(ns, uint32(last-start))
			}
		}
	}
	return median(ns), nil
}
