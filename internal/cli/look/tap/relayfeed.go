package tap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"lodge/internal/decode"
	"lodge/internal/home/feed"
	"lodge/internal/model"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// relayFeed is what the keeper of one project tells.
type relayFeed struct {
	source  *relaySource
	project string
	home    netip.Addr
	conn    *net.UnixConn
	streams map[uint64]*relayStream // by the number of the connection
	had     tap.Count               // what was read
	totals  *feed.Totals            // nil until they come
}

// relayStream is a connection.
type relayStream struct {
	stream  *tap.Stream
	packets *tapfile.Segments // nil where none are written
}

func newRelayFeed(s *relaySource, project string, home netip.Addr, conn *net.UnixConn) *relayFeed {
	return &relayFeed{source: s, project: project, home: home, conn: conn, streams: map[uint64]*relayStream{}}
}

// stop asks the keeper for the rest, which is to be there by a time.
func (f *relayFeed) stop(until time.Time) {
	_ = f.conn.SetReadDeadline(until)
	_ = f.conn.CloseWrite() // it may have ended
}

// read reads to the end of the feed, and adds what was counted.
func (f *relayFeed) read() {
	r := feed.NewReader(f.conn)
	var err error
	for err == nil && f.totals == nil {
		var h feed.Header
		var payload []byte
		if h, payload, err = r.Next(); err == nil {
			err = f.frame(&h, payload)
		}
	}
	f.source.mu.Lock()
	defer f.source.mu.Unlock()
	if f.totals == nil {
		text := err.Error()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			text = "its keeper has ended, and with it what went through the relay"
		case errors.Is(err, os.ErrDeadlineExceeded):
			text = "its keeper does not tell what it lost"
		}
		f.source.run.kit.Warn(fmt.Sprintf("tap: %s: %s (hint: lodge ls)", f.project, text))
	}
	f.count(&f.source.capture)
	for _, s := range f.streams { // they are told as far as they were seen
		f.source.end(s, decode.Client, time.Time{}, 0, decode.Stopped)
		f.source.end(s, decode.Server, time.Time{}, 0, decode.Stopped)
	}
}

// count adds what was seen and what was lost.
func (f *relayFeed) count(c *tap.Capture) {
	plus := func(m map[string]tap.Count, why string, n tap.Count) {
		if n.Packets > 0 {
			m[why] = m[why].Plus(n)
		}
	}
	c.Delivered = c.Delivered.Plus(f.had)
	if f.totals == nil {
		c.Seen, c.Unknown = c.Seen.Plus(f.had), true
		return
	}
	of := func(n feed.Count) tap.Count { return tap.Count{Packets: n.Pieces, Bytes: n.Bytes} }
	c.Seen = c.Seen.Plus(of(f.totals.Seen))
	plus(c.LeftOut, "outside", of(f.totals.Outside))
	for why, n := range f.totals.Lost {
		plus(c.Lost, why, of(n))
	}
	if d := of(f.totals.Delivered); d.Packets > f.had.Packets {
		plus(c.Lost, "unread", tap.Count{Packets: d.Packets - f.had.Packets, Bytes: d.Bytes - min(d.Bytes, f.had.Bytes)})
	}
}

// frame takes one frame.
func (f *relayFeed) frame(h *feed.Header, payload []byte) error {
	s := f.source
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h.Kind {
	case feed.Ready:
		return nil
	case feed.Counts:
		t, err := h.Totals(payload)
		if err == nil {
			f.totals = &t
		}
		return err
	case feed.Data:
		f.had.Add(len(payload))
	default:
		f.had.Add(0)
	}
	if s.run.out.failed() != nil {
		return nil // it ends; what comes still is let go of, and counted
	}
	side := decode.Side(h.Side)
	switch h.Kind {
	case feed.Opened, feed.Refused:
		o, err := h.Opening(payload)
		if err != nil {
			return err
		}
		if opening := f.opening(h.At, &o); h.Kind == feed.Refused {
			s.refuse(opening)
		} else {
			f.streams[h.Connection] = s.begin(opening)
		}
	case feed.Data:
		if c := f.streams[h.Connection]; c != nil {
			s.data(c, side, h.At, int64(h.Missing), payload) //nolint:gosec // no side has so many
		}
	case feed.Closed, feed.Reset:
		how := decode.Closed
		if h.Kind == feed.Reset {
			how = decode.Reset
		}
		if c := f.streams[h.Connection]; c != nil && s.end(c, side, h.At, int64(h.Missing), how) { //nolint:gosec // as above
			delete(f.streams, h.Connection)
		}
	}
	return nil
}

// opening is what the engine is told of a connection.
func (f *relayFeed) opening(at time.Time, o *feed.Opening) tap.Opening {
	out := tap.Opening{
		At:     at,
		Client: tap.End{Address: o.Client, Project: f.project, Service: o.ClientService},
		Server: tap.End{Address: o.Server, Service: o.ServerService},
	}
	if o.ServerService != "" || o.Server.Addr() == f.home {
		out.Server.Project = f.project
	}
	if q := &o.Process; q.PID != 0 {
		p := model.Process{PID: q.PID, Start: q.Start, Name: q.Name, Command: q.Command, Directory: q.Directory, User: f.source.user(q.UID)}
		if !f.source.boot.IsZero() && q.Start != 0 {
			started := f.source.boot.Add(time.Duration(q.Start) * time.Second / clockTicks) //nolint:gosec // ticks since boot
			p.StartedAt = &started
		}
		out.Client.Processes, out.Client.Source = []model.Process{p}, tap.SourceRelay
	}
	return out
}

// clockTicks is USER_HZ, the clock ticks of /proc a second: 100 on everything that Go's
// Linux ports run on.
const clockTicks = 100

// What follows is for who has s.mu: a connection goes to the engine, and to the file of
// packets.

func (s *relaySource) begin(o tap.Opening) *relayStream {
	c := &relayStream{stream: s.engine.Open(o)}
	s.write(func(p *packetFile) (err error) {
		client, server := c.stream.Ends()
		c.packets, err = p.w.Streams().Open(o.At, client, server)
		return err
	})
	return c
}

func (s *relaySource) refuse(o tap.Opening) {
	s.engine.Refuse(o)
	s.write(func(p *packetFile) error { return p.w.Streams().Refuse(o.At, &o.Client, &o.Server) })
}

func (s *relaySource) data(c *relayStream, side decode.Side, at time.Time, missing int64, b []byte) {
	c.stream.Data(side, at, missing, b)
	if c.packets != nil {
		s.write(func(*packetFile) error {
			client, server := c.stream.Ends()
			return c.packets.Data(side, at, missing, b, client, server)
		})
	}
}

// end ends a side. It reports whether that was the end of the connection.
func (s *relaySource) end(c *relayStream, side decode.Side, at time.Time, missing int64, how decode.End) (whole bool) {
	whole = c.stream.End(side, at, missing, how)
	if c.packets != nil && how != decode.Stopped {
		s.write(func(*packetFile) error {
			client, server := c.stream.Ends()
			return c.packets.End(side, at, missing, how, client, server)
		})
	}
	return whole
}

// write writes packets, where they are asked for.
func (s *relaySource) write(f func(p *packetFile) error) {
	out := s.run.out
	if out.packets == nil {
		return
	}
	if err := out.packets.take(func() error { return f(out.packets) }); err != nil {
		out.fail(err)
	}
}
