package logs

import (
	"bufio"
	"errors"
	"io"
	"time"
)

// cursor reads records forwards, from one part after the other.
type cursor struct {
	parts []part
	index int // of the service: decides between records of one time
	h     *history

	in     *bufio.Reader // nil between parts
	offset int64         // of what in gives next
	skip   bool          // the rest of a line that is not wanted

	// The record.
	at    time.Time
	key   time.Time // at, or the time of an earlier record if that is later
	text  []byte    // good until the next step
	sign  byte
	begin int64
}

func (c *cursor) open(p part) {
	section := io.NewSectionReader(p.r, p.from, p.to-p.from)
	if c.in == nil {
		c.in = bufio.NewReaderSize(section, maxRecord+1)
	} else {
		c.in.Reset(section)
	}
	c.offset, c.skip = p.from, false
}

// step goes to the next record of the part that is open; false at its end. A
// last record without a line feed is being written, or was in a crash: it is
// left out.
func (c *cursor) step() (bool, error) {
	for {
		b, err := c.in.ReadSlice('\n')
		begin := c.offset
		c.offset += int64(len(b))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			c.skip = true // longer than any record
			continue
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		case c.skip:
			c.skip = false
			continue
		}
		at, sign, text, ok := parseRecord(b[:len(b)-1])
		if !ok {
			continue
		}
		c.at, c.sign, c.text, c.begin = at, sign, text, begin
		return true, nil
	}
}

// next goes to the next record that q asks for.
func (c *cursor) next(q *Query) (bool, error) {
	for {
		if c.in == nil || c.begin < 0 {
			if len(c.parts) == 0 {
				return false, nil
			}
			c.open(c.parts[0])
			c.parts = c.parts[1:]
			c.begin = 0
		}
		ok, err := c.step()
		if err != nil || !ok {
			c.begin = -1
			if err != nil {
				return false, err
			}
			continue
		}
		if c.at.Before(q.Since) || !q.Until.IsZero() && c.at.After(q.Until) {
			continue
		}
		if c.at.After(c.key) {
			c.key = c.at
		}
		return true, nil
	}
}
