package memcached

import (
	"encoding/binary"
	"time"

	"lodge/internal/decode"
)

// frameLen is the length of the header of a datagram: the request's number, the
// datagram's number, how many there are, and zero.
const frameLen = 8

// isFrame reports whether a datagram begins with the header of a request or an
// answer.
func isFrame(b []byte) bool {
	if len(b) <= frameLen {
		return false
	}
	seq, total := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:])
	return total > 0 && seq < total && b[6] == 0 && b[7] == 0 && (b[frameLen] >= 'A' || b[frameLen]>>1 == 0x40 || b[frameLen] >= '0' && b[frameLen] <= '9')
}

// datagrams is a conversation over UDP: each request has a decoder of its own.
type datagrams struct {
	c        *decode.Conn
	requests map[uint16]*exchange
	order    []uint16
	ended    [2]bool
}

type exchange struct {
	d    *decoder
	next uint16 // number of the answer's next datagram
}

func newDatagrams(c *decode.Conn) *datagrams {
	return &datagrams{c: c, requests: map[uint16]*exchange{}}
}

// Data implements [decode.Decoder]: it takes one datagram.
func (u *datagrams) Data(s decode.Side, at time.Time, b []byte) {
	if !isFrame(b) {
		u.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: int64(len(b))})
		return
	}
	id, seq := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	x := u.requests[id]
	if s == decode.Client && x != nil {
		// The number is used again.
		u.close(id, at)
		x = nil
	}
	if x == nil {
		x = &exchange{d: newDecoder(u.c)}
		x.d.search, x.d.unsure = [2]search{}, false // datagrams begin with messages
		u.requests[id] = x
		u.order = append(u.order, id)
		for len(u.requests) > max(u.c.Limits.Pending, 1) {
			u.close(u.order[0], at)
		}
	}
	if x.d.form = formText; b[frameLen]>>1 == 0x40 {
		x.d.form = formBinary
	}
	if s == decode.Server {
		// Servers number the datagrams of each line of an answer anew.
		if seq != 0 && seq != x.next {
			x.d.Gap(s, at, -1)
		}
		x.next = seq + 1
	}
	x.d.Data(s, at, b[frameLen:])
	if x.d.idle() {
		u.close(id, at)
	}
}

// idle reports whether nothing is waited for.
func (d *decoder) idle() bool {
	for s := range d.in {
		if d.in[s].Len() > 0 || d.text.sides[s].inBlock || d.binary.sides[s].state != atHeader {
			return false
		}
	}
	return len(d.pending.waiting) == 0 && d.text.stray == nil
}

// close ends a request.
func (u *datagrams) close(id uint16, at time.Time) {
	x := u.requests[id]
	if x == nil {
		return
	}
	delete(u.requests, id)
	for i, o := range u.order {
		if o == id {
			u.order = append(u.order[:i], u.order[i+1:]...)
			break
		}
	}
	x.d.End(decode.Client, at, decode.Closed)
	x.d.End(decode.Server, at, decode.Closed)
}

// Gap implements [decode.Decoder]. Datagrams that were not captured are missed by
// their numbers.
func (u *datagrams) Gap(s decode.Side, at time.Time, n int64) {
	u.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
}

// End implements [decode.Decoder].
func (u *datagrams) End(s decode.Side, at time.Time, how decode.End) {
	if u.ended[s] = true; !u.ended[s.Other()] {
		return
	}
	for len(u.order) > 0 {
		u.close(u.order[0], at)
	}
}
