package http2

import (
	"slices"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/sse"
)

// maxKept bounds the bytes that are held of all open streams of a connection, in
// multiples of what is kept of one body.
const maxKept = 64

// streams are the streams of one connection.
type streams struct {
	c      *decode.Conn
	config *Config
	open   map[uint32]*stream
	order  []uint32 // of open, as they were opened; closed ones are in it for a while
	closed closed
	room   Room
	// tunnels is the number of open streams that a decoder is for.
	tunnels int
	// whole reports that all was seen from the beginning: a stream that is not
	// known has been closed.
	whole bool
	// why is where the frames of a side are that were not seen.
	why [2]string
	// last is the highest stream that each side has opened, and refused what the
	// other side said with GOAWAY: higher ones are not processed.
	last    [2]uint32
	refused [2]*goAway
}

type goAway struct {
	last uint32
	code uint32
}

// closed remembers the last streams that were closed.
type closed struct {
	ids  map[uint32]struct{}
	ring []uint32
	next int
}

func (c *closed) add(id uint32, limit int) {
	if _, ok := c.ids[id]; ok {
		return
	}
	if len(c.ring) < limit {
		c.ring = append(c.ring, id)
	} else {
		delete(c.ids, c.ring[c.next])
		c.ring[c.next] = id
		c.next = (c.next + 1) % len(c.ring)
	}
	c.ids[id] = struct{}{}
}

func newStreams(c *decode.Conn, config *Config) streams {
	ss := streams{c: c, config: config, open: map[uint32]*stream{}, closed: closed{ids: map[uint32]struct{}{}},
		whole: !c.Midstream, why: [2]string{whyBefore, whyBefore}, room: Room{left: maxKept * (c.Limits.Body + c.Limits.Message)}}
	ss.upgraded()
	return ss
}

// begin says that the connection is seen from its beginning.
func (ss *streams) begin() { ss.whole, ss.why = true, [2]string{whyNever, whyNever} }

// uncertain says that frames of a side were missed.
func (ss *streams) uncertain(s decode.Side, why string) { ss.whole, ss.why[s] = false, why }

// opener is the side that opens streams of a number.
func opener(id uint32) decode.Side {
	if id%2 == 0 {
		return decode.Server
	}
	return decode.Client
}

// get returns a stream, which is opened where it may be: by a header block, or by
// anything else where its header may have been missed. It returns nil for a
// stream that is closed.
func (ss *streams) get(id uint32, header bool) *stream {
	if st := ss.open[id]; st != nil {
		return st
	}
	if _, ok := ss.closed.ids[id]; ok || id == 0 || ss.c.Limits.Pending < 1 {
		return nil
	}
	by := opener(id)
	if ss.whole && (!header || id <= ss.last[by]) {
		return nil
	}
	for len(ss.open) >= ss.c.Limits.Pending {
		ss.emit(ss.oldest())
	}
	st := newStream(id, ss.why)
	ss.open[id] = st
	ss.order = append(ss.order, id)
	if id > ss.last[by] {
		ss.last[by] = id
	}
	return st
}

func (ss *streams) oldest() *stream {
	for len(ss.order) > 0 {
		if st := ss.open[ss.order[0]]; st != nil {
			return st
		}
		ss.order = ss.order[1:]
	}
	return nil
}

// keep counts bytes that are held, and reports whether there is room for them.
func (ss *streams) keep(st *stream, n int) bool {
	if !ss.room.Take(n) {
		return false
	}
	st.kept += n
	return true
}

// wire counts the bytes of a frame.
func (ss *streams) wire(id uint32, s decode.Side, started, ended time.Time, n int64) {
	if st := ss.get(id, false); st != nil {
		st.saw(s, started, ended)
		st.message(s).Bytes += n
	} else if ss.idle(id) || ss.skipped(id) {
		ss.malformed(s, n)
	}
}

// data has a part of a body.
func (ss *streams) data(id uint32, s decode.Side, at, last time.Time, b []byte) {
	st := ss.open[id]
	if st == nil {
		return
	}
	h := &st.halves[s]
	st.e.Ended = latest(st.e.Ended, last)
	switch {
	case st.tunnel != nil:
		st.tunnel.Data(s, at, b)
	case st.upper != nil:
		h.n += int64(len(b))
		st.upper.Data(s, at, b)
	default:
		if st.events != nil && s == decode.Server {
			st.events.Data(at, b)
		}
		if h.body == nil {
			h.body = decode.NewBody(ss.c.Limits.Body)
		}
		room := ss.c.Limits.Body - len(h.body.Bytes())
		if h.cut || !ss.keep(st, max(0, min(room, len(b)))) {
			h.body.Skip(int64(len(b)))
			return
		}
		h.body.Write(b)
	}
}

// gap is for a part of a body that is missing.
func (ss *streams) gap(id uint32, s decode.Side, at time.Time, n int64) {
	st := ss.open[id]
	if st == nil || n == 0 {
		return
	}
	h := &st.halves[s]
	// What is behind the gap would look as if it followed what is before it.
	h.cut = true
	if st.events != nil && s == decode.Server {
		st.events.Gap()
	}
	switch {
	case st.tunnel != nil:
		st.tunnel.Gap(s, at, n)
	case st.upper != nil:
		h.n += max(n, 0)
		st.upper.Gap(s, at, n)
	case n > 0:
		if h.body == nil {
			h.body = decode.NewBody(ss.c.Limits.Body)
		}
		h.body.Skip(n)
	}
}

// gapped is for a part of unknown content that a side sent: anything may have
// been in it.
func (ss *streams) gapped(s decode.Side, at time.Time) {
	for _, id := range ss.order {
		if st := ss.open[id]; st != nil && !st.halves[s].ended {
			ss.gap(id, s, at, -1)
		}
	}
}

// idle reports whether a stream was never opened, so that nothing but a header block
// may be sent on it.
func (ss *streams) idle(id uint32) bool { return ss.whole && id > ss.last[opener(id)] }

// skipped reports whether a stream was passed over: a later one was opened, and it
// never was.
func (ss *streams) skipped(id uint32) bool {
	_, closed := ss.closed.ids[id]
	return ss.whole && !closed && ss.open[id] == nil && id <= ss.last[opener(id)] && len(ss.closed.ring) < ss.c.Limits.Pending
}

// malformed counts what is sent on a stream on which it must not be.
func (ss *streams) malformed(s decode.Side, n int64) {
	ss.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: n})
}

// header has a header block of a stream.
func (ss *streams) header(id uint32, s decode.Side, h *header) {
	known := ss.open[id] != nil
	st := ss.get(id, true)
	if st == nil {
		if ss.skipped(id) {
			ss.malformed(s, h.wire)
		}
		return
	}
	if !known && opener(id) == s {
		ss.passed(s)
	}
	st.saw(s, h.started, h.ended)
	st.message(s).Bytes += h.wire
	if !ss.keep(st, h.list.size) {
		h.list.dropped += len(h.list.fields)
		h.list.fields = nil
	}
	half := &st.halves[s]
	if s == decode.Client {
		switch {
		case half.header, !ss.whole && h.end && h.bad == "" && h.fieldsOnly():
			st.trailer(ss.c, s, h) // the header may not have been seen
		default:
			st.request(ss.c, h)
		}
	} else {
		st.response(ss.c, h)
	}
	if st.upper == nil && st.tunnel == nil {
		ss.layer(st, h.ended)
	}
	if s == decode.Server && st.upper == nil && st.tunnel == nil && st.events == nil && half.header && !half.ended && !h.end &&
		(st.e.Code == 200 || half.hidden) && sse.Is(content.Field(st.e.Response.Header, "content-type")) {
		st.begun(ss.c)
	}
	if st.connected(h) {
		ss.connect(st)
	}
	if g := ss.refused[s]; g != nil && id > g.last && opener(id) == s {
		half.ended = h.end
		ss.refuse(st, g, h.started)
		return
	}
	if h.end {
		ss.end(id, s)
	}
}

// layer gives a stream to the layer that decodes what it carries, if there is
// one.
func (ss *streams) layer(st *stream, at time.Time) {
	for _, l := range ss.config.Layers {
		if st.upper = l.Open(ss.c, &st.e, &ss.room); st.upper != nil {
			break
		}
	}
	if st.upper == nil {
		return
	}
	for s := range st.halves {
		h, side := &st.halves[s], decode.Side(s)
		seen := h.header || side == decode.Server && st.halves[decode.Client].header
		if !seen || h.cut || h.body != nil && h.body.Truncated() {
			st.upper.Gap(side, at, -1)
		} else if h.body != nil {
			st.upper.Data(side, at, h.body.Bytes())
		}
		if h.body != nil {
			h.n, h.body = h.body.Len(), nil
		}
		if h.ended {
			st.upper.End(side)
		}
	}
}

// passed emits the streams whose responses have ended and whose requests can no
// longer come, because a later stream has been opened.
func (ss *streams) passed(s decode.Side) {
	if ss.whole {
		return
	}
	for _, id := range slices.Clone(ss.order) {
		st := ss.open[id]
		if st != nil && opener(id) == s && id < ss.last[s] && !st.halves[decode.Client].begun && st.halves[decode.Server].ended {
			ss.emit(st)
		}
	}
}

// promise has the request of a pushed stream.
func (ss *streams) promise(on, id uint32, h *header) {
	st := ss.get(id, true)
	if st == nil {
		return
	}
	st.saw(decode.Client, h.started, h.ended)
	st.e.Request.Bytes += h.wire
	st.request(ss.c, h)
	st.halves[decode.Client].ended = true
	st.e.Add("pushed on stream", number(uint64(on)))
	if parent := ss.open[on]; parent != nil {
		parent.e.Ended = latest(parent.e.Ended, h.ended)
	}
}

// end is the end of what a side sends on a stream.
func (ss *streams) end(id uint32, s decode.Side) {
	st := ss.open[id]
	if st == nil {
		return
	}
	st.halves[s].ended = true
	switch {
	case st.tunnel != nil:
		st.tunnel.End(s, st.e.Ended, decode.Closed)
	case st.upper != nil:
		st.upper.End(s)
	}
	client, server := &st.halves[decode.Client], &st.halves[decode.Server]
	if server.ended && (client.ended || !client.begun && id < ss.last[opener(id)]) {
		ss.emit(st)
	}
}

// reset is RST_STREAM.
func (ss *streams) reset(id uint32, s decode.Side, code uint32) {
	st := ss.open[id]
	if st == nil {
		return
	}
	server := &st.halves[decode.Server]
	if s == decode.Server && code == 0 && server.ended {
		ss.emit(st) // the rest of the request is not needed
		return
	}
	st.e.Add("reset", codeName(code)+" by the "+s.String())
	if s == decode.Server {
		st.e.Failed = true
		// Where the request was not seen the response may have been before this.
		if !server.header && server.body == nil && (ss.whole || st.halves[decode.Client].header) {
			st.e.Answered = st.e.Ended
			st.e.Status = "reset: " + codeName(code)
		}
	}
	ss.emit(st)
}

// goAway is GOAWAY: streams above the last one are not processed.
func (ss *streams) goAway(s decode.Side, last, code uint32, debug []byte, started, ended time.Time) {
	g := &goAway{last: last, code: code}
	ss.refused[s.Other()] = g
	for _, id := range slices.Clone(ss.order) {
		if st := ss.open[id]; st != nil && id > last && opener(id) == s.Other() {
			ss.refuse(st, g, started)
		}
	}
	if code == 0 {
		return
	}
	e := &decode.Exchange{Protocol: "http", Version: "2", Kind: decode.KindMessage, From: s, Started: started, Ended: ended,
		Method: "GOAWAY", Target: codeName(code), Failed: true}
	e.Add("last stream", number(uint64(last)))
	if len(debug) > 0 {
		e.Add("debug data", printable(debug[:min(len(debug), 256)]))
	}
	e.Request.Bytes = int64(headerLen + 8 + len(debug))
	ss.c.Emit(e)
}

// refuse ends a stream that is not processed.
func (ss *streams) refuse(st *stream, g *goAway, at time.Time) {
	if !st.halves[decode.Server].header {
		st.e.Status = "refused: GOAWAY " + codeName(g.code)
		st.e.Answered = latest(at, st.e.Started)
		st.e.Ended = latest(st.e.Ended, st.e.Answered)
	}
	st.e.Failed = true
	st.e.Add("refused", "GOAWAY")
	ss.emit(st)
}

// close emits all that is open.
func (ss *streams) close(at time.Time) {
	for _, id := range slices.Clone(ss.order) { // emit changes it
		st := ss.open[id]
		if st == nil {
			continue
		}
		if at.After(st.e.Ended) && st.tunnel != nil {
			st.e.Ended = at
		}
		ss.emit(st)
	}
}

// emit closes a stream and hands its exchange over.
func (ss *streams) emit(st *stream) {
	delete(ss.open, st.id)
	ss.closed.add(st.id, ss.c.Limits.Pending)
	if len(ss.order) > 2*len(ss.open)+16 {
		ss.order = slices.DeleteFunc(ss.order, func(id uint32) bool { return ss.open[id] == nil })
	}
	ss.room.Give(st.kept)
	if st.tunnel != nil {
		ss.tunnels--
		for s := range st.halves {
			if !st.halves[s].ended {
				st.tunnel.End(decode.Side(s), st.e.Ended, decode.Stopped)
			}
		}
	}
	if st.emitted {
		return
	}
	st.finish(ss.c)
	if st.e.Started.IsZero() && st.e.Answered.IsZero() {
		return
	}
	e := st.e
	ss.c.Emit(&e)
}
