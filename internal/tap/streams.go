package tap

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
	"lodge/internal/mark"
	"lodge/internal/model"
)

// Opening is a connection of which a source has the bytes, and no packets.
type Opening struct {
	At time.Time
	// Client and Server are what the source knows of the ends, at least their
	// addresses. For the processes of an end, [Ends] is asked where the source knows
	// none; for its service, likewise.
	Client, Server End
	// Unix says that it is one of Unix sockets, and not of TCP, Datagram that it has
	// datagrams.
	Unix, Datagram bool
	// Midstream says that it was made before the source began, and Guessed that the sides
	// may be the other way round.
	Midstream, Guessed bool
}

// end is what is known of a side.
func (o *Opening) end(s decode.Side) *End {
	if s == decode.Client {
		return &o.Client
	}
	return &o.Server
}

// Stream is a connection of an engine whose bytes a source gives, in their order. After
// [Engine.Close] its methods do nothing.
type Stream struct {
	conn  *conn
	ended [2]bool
	last  time.Time
}

// Open begins a connection.
func (e *Engine) Open(o Opening) *Stream {
	s := &Stream{conn: e.stream(o), last: o.At}
	e.streams[s] = struct{}{}
	return s
}

// Refuse reports a connection that was not made, since nothing listened.
func (e *Engine) Refuse(o Opening) { e.Fail(o, Refused) }

// Fail reports a connection that was not made.
func (e *Engine) Fail(o Opening, why Failure) {
	c := e.stream(o)
	e.given.Refused++
	c.fail(why)
	for _, s := range []decode.Side{decode.Client, decode.Server} {
		c.End(s, o.At, decode.Reset)
	}
}

func (e *Engine) stream(o Opening) *conn {
	e.given.Connections++
	protocol := packet.TCP
	if o.Unix {
		protocol = packet.Unix
	}
	c := e.newConn(stream.Opened{
		Key:         stream.Key{Src: o.Client.Address, Dst: o.Server.Address, Protocol: protocol},
		ClientKnown: !o.Guessed, Midstream: o.Midstream, At: o.At,
	}, &o)
	c.sent = [2]bool{true, true} // it is no attempt that may have got no answer
	return c
}

// Data has the next bytes that a side sent, valid during the call, after missing ones that
// the source could not keep.
func (s *Stream) Data(side decode.Side, at time.Time, missing int64, b []byte) {
	if s.ended[side] {
		return
	}
	at = s.clock(at)
	s.gap(side, at, missing)
	if len(b) > 0 {
		s.conn.engine.given.PayloadBytes += uint64(len(b))
		s.conn.Data(side, at, b)
	}
}

// End reports that a side sends no more. [decode.Reset] ends both. It reports whether the
// connection has ended.
func (s *Stream) End(side decode.Side, at time.Time, missing int64, how decode.End) (whole bool) {
	at = s.clock(at)
	if !s.ended[side] {
		s.gap(side, at, missing)
	}
	s.end(side, at, how)
	if how == decode.Reset {
		s.end(side.Other(), at, how)
	}
	return s.ended[side.Other()]
}

// Sent notes who sends what comes next, where the source knows it.
func (s *Stream) Sent(side decode.Side, from *Origin) { s.conn.note(side, from) }

// Descriptors notes that n descriptors were sent with what comes next (SCM_RIGHTS): the
// next exchange that is complete has their number.
func (s *Stream) Descriptors(n int) { s.conn.descriptors += n }

// Complete fills in an end whose process a source knows.
func (e *Engine) Complete(end *End, o *Origin) {
	p := o.Process
	if ends := e.o.Ends; ends != nil {
		p = ends.Sender(p, mark.FromLimits(o.SoftLimit, o.HardLimit))
	}
	end.Processes, end.Source = []model.Process{p}, e.o.OriginSource
}

// Ends returns what is known of the ends now: see [Sent.Ends].
func (s *Stream) Ends() (client, server *End) {
	return s.conn.find(decode.Client), s.conn.find(decode.Server)
}

func (s *Stream) gap(side decode.Side, at time.Time, missing int64) {
	if missing > 0 {
		g := &s.conn.engine.given
		g.Gaps++
		g.MissingBytes += uint64(missing)
		s.conn.Gap(side, at, missing)
	}
}

func (s *Stream) end(side decode.Side, at time.Time, how decode.End) {
	if s.ended[side] {
		return
	}
	s.ended[side] = true
	s.conn.End(side, at, how)
	if s.ended[side.Other()] {
		delete(s.conn.engine.streams, s)
	}
}

// clock is the time of what is reported now: not before what was reported last.
func (s *Stream) clock(at time.Time) time.Time {
	if at.After(s.last) {
		s.last = at
	}
	return s.last
}

// closeStreams ends what is open, as the recording has ended.
func (e *Engine) closeStreams() {
	open := slices.SortedFunc(maps.Keys(e.streams), func(a, b *Stream) int { return cmp.Compare(a.conn.number, b.conn.number) })
	for _, s := range open {
		for _, side := range []decode.Side{decode.Client, decode.Server} {
			s.end(side, s.last, decode.Stopped)
		}
	}
}
