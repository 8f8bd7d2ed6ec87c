package memcached

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"lodge/internal/decode"
)

// packets is a connection with the binary protocol.
type packets struct {
	*session
	in    *[2]decode.Buffer
	sides [2]packet
}

// packet is what is known of the binary message that a side is in.
type packet struct {
	state packetState
	h     header
	p     *pending // a request; of an answer, what it is for
	stray bool     // of an answer: its request is not known
	block block
	begin time.Time
	last  time.Time
	size  int64
}

type packetState uint8

const (
	atHeader packetState = iota
	atKey                // before extras and key
	inValue
)

// headerLen is the length of a message without its body.
const headerLen = 24

type header struct {
	magic, opcode byte
	extras        int
	key           int
	status        uint16 // of an answer
	body          int64
	opaque        uint32
	cas           uint64
}

// magic returns the first byte of a side's messages.
func magic(s decode.Side) byte { return 0x80 | byte(s) }

// parseHeader reads a header, and reports whether it is one of a side.
func parseHeader(b []byte, s decode.Side) (h header, ok bool) {
	h = header{
		magic: b[0], opcode: b[1], extras: int(b[4]), key: int(binary.BigEndian.Uint16(b[2:])),
		status: binary.BigEndian.Uint16(b[6:]), body: int64(binary.BigEndian.Uint32(b[8:])),
		opaque: binary.BigEndian.Uint32(b[12:]), cas: binary.BigEndian.Uint64(b[16:]),
	}
	return h, h.magic == magic(s) && b[5] == 0 && h.extras <= 64 && int64(h.extras+h.key) <= h.body
}

// read reads a part of a binary message.
func (d *packets) read(s decode.Side) progress {
	q, m := &d.in[s], &d.sides[s]
	switch m.state {
	case atHeader:
		if q.Len() < headerLen {
			if q.Bytes()[0] != magic(s) {
				return malformed
			}
			return more
		}
		h, ok := parseHeader(q.Bytes(), s)
		if !ok {
			return malformed
		}
		*m = packet{state: atKey, h: h, begin: q.At()}
		m.take(q, headerLen)
		if h.extras+h.key == 0 {
			d.begin(s, nil, nil)
		}
		return stepped
	case atKey:
		n := m.h.extras + m.h.key
		if q.Len() < n {
			return more
		}
		b := q.Bytes()[:n]
		extras, key := b[:m.h.extras], b[m.h.extras:]
		m.last = q.AtByte(n - 1)
		m.size += int64(n)
		d.begin(s, extras, key)
		q.Advance(int64(n))
		return stepped
	}
	n := m.block.read(q.Bytes())
	m.take(q, n)
	if m.block.left > 0 {
		return more
	}
	d.end(s, false, "")
	return stepped
}

func (m *packet) take(q *decode.Buffer, n int64) {
	if n == 0 {
		return
	}
	m.last = q.AtByte(int(n) - 1)
	m.size += n
	q.Advance(n)
}

// begin takes what comes before the value of a message.
func (d *packets) begin(s decode.Side, extras, key []byte) {
	m := &d.sides[s]
	m.state = inValue
	m.block = block{left: m.h.body - int64(m.h.extras+m.h.key)}
	if s == decode.Client {
		d.beginRequest(m, extras, key)
	} else {
		d.beginResponse(m, extras, key)
	}
	if m.block.left == 0 {
		d.end(s, false, "")
	}
}

// end takes a message that is complete, or cut.
func (d *packets) end(s decode.Side, cut bool, why string) {
	m := &d.sides[s]
	p := m.p
	p.e.Ended = m.last
	if s == decode.Client {
		m.block.body.Fill(&p.e.Request)
		p.e.Request.Bytes, p.e.Request.Incomplete = m.size, cut
		d.requested(p)
	} else {
		p.e.Response.Bytes += m.size
		d.responded(m, cut, why)
	}
	*m = packet{}
}

// leave gives up the message that a side is in.
func (d *packets) leave(s decode.Side, why string) {
	m := &d.sides[s]
	switch m.state {
	case inValue:
		d.end(s, true, why)
	case atKey:
		d.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: m.size})
	}
	*m = packet{}
}

// beginRequest begins a request.
func (d *packets) beginRequest(m *packet, extras, key []byte) {
	op := operationOf(m.h.opcode)
	e := &decode.Exchange{
		Protocol: Name, Version: formBinary.String(), Kind: decode.KindRequest, From: decode.Client, Started: m.begin,
		Method: op.name, Target: decode.Readable(key, shownKey), Stream: uint64(m.h.opaque),
	}
	if op.quiet {
		e.Method += "q"
	}
	keys := []string{string(key)}
	if len(key) == 0 {
		keys = nil
	}
	e.Group = groupOf(op.name, keys)
	if op.sasl {
		e.Kind, e.Group = decode.KindSession, op.name
	}
	e.Details = requestDetails(op, extras)
	if m.h.cas != 0 {
		e.Add("cas", strconv.FormatUint(m.h.cas, 10))
	}
	m.p = &pending{
		e: e, opcode: m.h.opcode, number: m.h.opaque, quiet: op.quiet, silence: op.silence, many: op.name == "stat",
		body: decode.NewBody(d.Limits.Body), masked: op.sasl && op.name != "sasl list mechanisms" && !d.Secrets,
	}
	m.block.body = decode.NewBody(d.Limits.Body)
	if m.p.masked && m.block.left > 0 {
		m.block.hidden = true
		m.block.body.Write([]byte(decode.Masked))
	}
}

// requested takes a request that is complete.
func (d *packets) requested(p *pending) {
	if p.opcode == opQuitQ {
		d.message(p.e)
		return
	}
	d.wait(p, false)
}

// requestDetails returns what the extras of a request mean.
func requestDetails(op operation, extras []byte) (fs []decode.Field) {
	add := func(name string, v uint64) {
		fs = append(fs, decode.Field{Name: name, Value: strconv.FormatUint(v, 10)})
	}
	be := binary.BigEndian
	switch {
	case op.extras == extrasStore && len(extras) == 8:
		add("flags", uint64(be.Uint32(extras)))
		add("exptime", uint64(be.Uint32(extras[4:])))
	case op.extras == extrasCount && len(extras) == 20:
		add("delta", be.Uint64(extras))
		add("initial", be.Uint64(extras[8:]))
		add("exptime", uint64(be.Uint32(extras[16:])))
	case op.extras == extrasTime && len(extras) == 4:
		add("exptime", uint64(be.Uint32(extras)))
	}
	return fs
}

// beginResponse begins an answer, and finds its request by number and operation.
func (d *packets) beginResponse(m *packet, extras, key []byte) {
	m.p, m.stray = d.asked(m)
	p := m.p
	if !p.answered {
		p.answered = true
		p.e.Answered = m.begin
	}
	op := operationOf(m.h.opcode)
	m.block.body = p.body
	if p.masked && m.block.left > 0 {
		m.block.hidden = true
		m.block.body.Write([]byte(decode.Masked))
	}
	p.payload += m.block.left
	switch {
	case op.name == "stat" && m.h.status == 0 && len(key) > 0:
		p.hits++
		p.body.Write(key)
		p.body.Write([]byte{' '})
	case len(extras) == 4:
		p.e.Add("value flags", strconv.FormatUint(uint64(binary.BigEndian.Uint32(extras)), 10))
	}
	if p.e.Target == "" && len(key) > 0 && op.name != "stat" {
		p.e.Target = decode.Readable(key, shownKey)
	}
}

// asked returns the request that an answer is for. Quiet requests before it were
// not answered.
func (d *packets) asked(m *packet) (p *pending, stray bool) {
	at := slices.IndexFunc(d.pending.waiting, func(p *pending) bool {
		return p.opcode == m.h.opcode && p.number == m.h.opaque
	})
	if at < 0 {
		op := operationOf(m.h.opcode)
		e := &decode.Exchange{
			Protocol: Name, Version: formBinary.String(), Kind: decode.KindRequest, Method: op.name, Stream: uint64(m.h.opaque),
			Unknown: []string{"its request was not captured"},
		}
		if op.quiet {
			e.Method += "q"
		}
		e.Group = op.name
		e.Request.Incomplete = true
		return &pending{e: e, opcode: m.h.opcode, body: decode.NewBody(d.Limits.Body), masked: op.sasl && !d.Secrets}, true
	}
	for range at {
		if p := d.pending.pop(); p.quiet && !p.answered {
			d.unanswered(p)
		} else {
			d.incomplete(p, "a later request was answered")
		}
	}
	return d.pending.waiting[0], false
}

// responded takes an answer that is complete, or cut.
func (d *packets) responded(m *packet, cut bool, why string) {
	p, e := m.p, m.p.e
	op := operationOf(m.h.opcode)
	if op.name == "stat" && m.h.status == 0 && m.h.key > 0 && !cut {
		p.body.Write([]byte{'\n'})
		if !m.stray {
			return // an answer without a key is the last one
		}
	}
	e.Code = int(m.h.status)
	e.Status = statusOf(m.h.status)
	e.Failed = failed(m.h.status)
	if m.h.cas != 0 {
		e.Add("value cas", strconv.FormatUint(m.h.cas, 10))
	}
	p.fill()
	if b := e.Response.Body; op.extras == extrasCount && m.h.status == 0 && len(b) == 8 {
		e.Add("value", strconv.FormatUint(binary.BigEndian.Uint64(b), 10))
	}
	if !m.stray {
		d.pending.pop()
	}
	if cut {
		d.incomplete(p, why)
		return
	}
	d.Emit(e)
}
