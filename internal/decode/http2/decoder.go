package http2

import (
	"time"

	"lodge/internal/decode"
)

// Where header fields went that are not known.
const (
	whyBefore = "was sent before the recording began"
	whyGap    = "was sent in a part that was not captured"
	whyBlock  = "was sent in a header block that could not be decoded"
	whyNever  = "was not sent"
)

// decoder is one connection.
type decoder struct {
	c       *decode.Conn
	sides   [2]direction
	streams streams
}

// direction is what one side sends.
type direction struct {
	in    decode.Buffer
	table *table
	// state is how the next bytes are read.
	state  state
	search search
	why    decode.LossReason // of bytes that are skipped to find a frame
	lost   int64             // they are counted when it is found
	data   payload
	block  *block
	ended  bool
}

type state uint8

const (
	atPreface state = iota // nothing was read
	atFrame                // a frame begins
	inData                 // in the payload of DATA
	searching              // a frame has to be found
)

// payload is a DATA frame that is being read.
type payload struct {
	stream    uint32
	left, pad int // bytes of the body, and of the padding behind it
	end       bool
}

// block is a header block that is being collected.
type block struct {
	stream   uint32
	promised uint32 // by PUSH_PROMISE
	end      bool   // END_STREAM
	b        []byte
	wire     int64 // bytes of its frames
	started  time.Time
	tooLong  bool
}

func newDecoder(c *decode.Conn, config *Config) *decoder {
	d := &decoder{c: c}
	d.streams = newStreams(c, config)
	for s := range d.sides {
		p := &d.sides[s]
		p.table = newTable(c.Limits)
		p.why = decode.LostState
		if c.Midstream {
			p.table.forget(whyBefore)
		}
	}
	return d
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.sides {
		d.sides[s].in.Release()
	}
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	p := &d.sides[s]
	if p.ended {
		return
	}
	p.in.Write(at, b)
	d.run(s)
}

func (d *decoder) run(s decode.Side) {
	p := &d.sides[s]
	for p.in.Len() > 0 {
		more := false
		switch p.state {
		case atPreface:
			more = d.preface(s)
		case searching:
			more = d.search(s)
		case inData:
			d.body(s)
			more = true
		case atFrame:
			more = d.frame(s)
		}
		if !more {
			return
		}
	}
}

// preface reads what a side sends first. It reports whether more can be read.
func (d *decoder) preface(s decode.Side) bool {
	p := &d.sides[s]
	b := p.in.Bytes()
	if s == decode.Client {
		if n := min(len(b), len(preface)); string(b[:n]) == preface[:n] {
			if n < len(preface) {
				return false
			}
			p.in.Advance(int64(n))
			p.table.begin()
			p.state = atFrame
			// What the server sent, if anything, was from the beginning too.
			if d.sides[decode.Server].state == atPreface {
				d.sides[decode.Server].table.begin()
			}
			d.streams.begin()
			return true
		}
	}
	switch {
	case d.c.Midstream:
		p.state = searching
	case s == decode.Client:
		d.resync(s, decode.LostMalformed, whyBlock)
	default:
		p.state = atFrame
	}
	return true
}

// resync makes a side look for the next frame.
func (d *decoder) resync(s decode.Side, why decode.LossReason, unknown string) {
	p := &d.sides[s]
	d.dropBlock(s)
	p.state, p.why, p.data, p.search = searching, why, payload{}, search{}
	p.table.forget(unknown)
	d.streams.uncertain(s, unknown)
}

// search looks for a frame.
func (d *decoder) search(s decode.Side) bool {
	p := &d.sides[s]
	i, ok := p.search.find(p.in.Bytes())
	if !ok {
		i = p.search.drop()
	}
	p.lost += int64(i)
	p.in.Advance(int64(i))
	if !ok {
		return false
	}
	p.state = atFrame
	d.reportLost(s)
	return true
}

func (d *decoder) reportLost(s decode.Side) {
	if p := &d.sides[s]; p.lost > 0 {
		d.lose(s, p.why, p.lost)
		p.lost = 0
	}
}

func (d *decoder) lose(s decode.Side, why decode.LossReason, n int64) {
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: why, Bytes: n})
}

// frame reads one frame, or the begin of one of DATA.
func (d *decoder) frame(s decode.Side) bool {
	p := &d.sides[s]
	b := p.in.Bytes()
	if len(b) < headerLen {
		return false
	}
	f := parseFrame(b)
	if !f.valid() {
		d.invalid(s, f)
		return true
	}
	if p.block != nil && (f.kind != frameContinuation || f.stream != p.block.stream) {
		d.lose(s, decode.LostMalformed, p.block.wire)
		d.dropBlock(s)
		p.table.forget(whyBlock)
	}
	if f.kind == frameData {
		return d.dataFrame(s, f, b)
	}
	n := headerLen + f.length
	if f.length > d.c.Limits.Message {
		d.tooLong(s, f)
		p.in.Advance(int64(n))
		return true
	}
	if len(b) < n {
		return false
	}
	started, ended := p.in.At(), p.in.AtByte(n-1)
	d.whole(s, f, b[headerLen:n], started, ended)
	p.in.Advance(int64(n))
	return true
}

// invalid is for a frame that the protocol does not allow. Where its length is
// likely it is only this frame, otherwise the bytes are no frames.
func (d *decoder) invalid(s decode.Side, f frame) {
	p := &d.sides[s]
	if f.length <= maxScanned {
		d.lose(s, decode.LostMalformed, int64(headerLen+f.length))
		p.in.Advance(int64(headerLen + f.length))
		return
	}
	d.resync(s, decode.LostMalformed, whyBlock)
	p.lost++
	p.in.Advance(1)
	p.search.moved = true
}

// tooLong is for a frame that is longer than what is held.
func (d *decoder) tooLong(s decode.Side, f frame) {
	p := &d.sides[s]
	switch f.kind {
	case frameHeaders, framePush, frameContinuation:
		d.dropBlock(s)
		p.table.forget(whyBlock)
	case frameSettings, frameGoAway:
	default:
		return // of a type that is ignored
	}
	d.lose(s, decode.LostTooLong, int64(headerLen+f.length))
}

// dataFrame reads the begin of a DATA frame.
func (d *decoder) dataFrame(s decode.Side, f frame, b []byte) bool {
	p := &d.sides[s]
	n, pad := headerLen, 0
	if f.has(flagPadded) && f.length > 0 {
		if n++; len(b) < n {
			return false
		}
		pad = int(b[headerLen])
	}
	left := headerLen + f.length - n - pad
	if left < 0 || f.has(flagPadded) && f.length == 0 {
		d.lose(s, decode.LostMalformed, int64(headerLen+f.length))
		p.in.Advance(int64(headerLen + f.length))
		return true
	}
	p.data = payload{stream: f.stream, left: left, pad: pad, end: f.has(flagEndStream)}
	p.state = inData
	d.streams.wire(f.stream, s, p.in.At(), p.in.AtByte(n-1), int64(headerLen+f.length))
	p.in.Advance(int64(n))
	if left+pad == 0 {
		d.dataEnd(s)
	}
	return true
}

// body reads what there is of a DATA frame's payload.
func (d *decoder) body(s decode.Side) {
	p := &d.sides[s]
	if n := min(p.data.left, p.in.Len()); n > 0 {
		d.streams.data(p.data.stream, s, p.in.At(), p.in.AtByte(n-1), p.in.Bytes()[:n])
		p.data.left -= n
		p.in.Advance(int64(n))
	} else {
		n := min(p.data.pad, p.in.Len())
		p.data.pad -= n
		p.in.Advance(int64(n))
	}
	if p.data.left+p.data.pad == 0 {
		d.dataEnd(s)
	}
}

func (d *decoder) dataEnd(s decode.Side) {
	p := &d.sides[s]
	p.state = atFrame
	if p.data.end {
		d.streams.end(p.data.stream, s)
	}
	p.data = payload{}
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	p := &d.sides[s]
	if p.ended || p.in.Gap(n) {
		return
	}
	if p.state == inData && n >= 0 && p.in.Len() == 0 && n <= int64(p.data.left) {
		// All of it is in one body: nothing else is affected.
		d.streams.gap(p.data.stream, s, at, n)
		d.lose(s, decode.LostGap, n)
		if p.data.left -= int(n); p.data.left+p.data.pad == 0 {
			d.dataEnd(s)
		}
		return
	}
	if p.state == inData {
		d.streams.gap(p.data.stream, s, at, int64(p.data.left))
	}
	if p.lost += int64(p.in.Len()); n > 0 {
		p.lost += n
	}
	p.in.Reset()
	if p.block != nil {
		p.lost += p.block.wire
	}
	d.streams.gapped(s, at)
	d.resync(s, decode.LostGap, whyGap)
	if n < 0 {
		d.lose(s, decode.LostGap, -1)
	}
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, _ decode.End) {
	p := &d.sides[s]
	if p.ended {
		return
	}
	p.ended = true
	if p.block != nil {
		p.lost += p.block.wire
		p.block = nil
	}
	p.lost += int64(p.in.Len())
	if p.state != searching {
		p.why = decode.LostGap // the rest of the frame was not captured
	}
	d.reportLost(s)
	p.in.Reset()
	if d.sides[s.Other()].ended {
		d.streams.close(at)
	}
}
