package tap

import (
	"net/netip"
	"strconv"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
	"lodge/internal/mark"
	"lodge/internal/model"
)

// Origin is what a source of packets knows of the process that sent one.
type Origin struct {
	// Process is the sender, PID 0 where it is not known.
	Process model.Process
	// SoftLimit and HardLimit are the sender's limits of real time, which carry lodge's
	// mark ([mark.FromLimits]): it says of which service it is.
	SoftLimit, HardLimit uint64
	// Cookie is the sending socket's cookie (SO_COOKIE), 0 where it is not known.
	Cookie uint64
	// Receiver is the process at the other end, where the source knows it too.
	Receiver model.Process
	// UID is the sender's user, nil where it is not known.
	UID *uint32
}

// Ends knows the processes of this machine, for a live tap.
type Ends interface {
	// Sender completes the process that a packet named, whose id may be another
	// process's soon. m is its mark, where the packet brought it.
	Sender(p model.Process, m mark.Mark) model.Process
	// Holders returns the processes that hold the socket at local, connected to
	// remote, and how they are known.
	Holders(t packet.Protocol, local, remote netip.AddrPort, cookie uint64) ([]model.Process, Source)
	// Place returns what of lodge's is behind an address or a process.
	Place(at netip.AddrPort, p *model.Process) Place
}

// UnixEnds are Ends that know addresses which stand for Unix sockets, as files have them.
type UnixEnds interface {
	// Unix returns the path of the server's socket, or false, and whether it has datagrams.
	Unix(at netip.AddrPort) (path string, datagram, ok bool)
}

// Place is the project, the service and the container of an end, and what is behind it.
type Place struct {
	Project, Service, Container string
	Behind                      *Behind
}

// Options are what an [Engine] works with.
type Options struct {
	// Protocols are those that are decoded; none decodes nothing, and only failures
	// become records.
	Protocols []*decode.Protocol
	Decode    decode.Options
	Stream    stream.Options
	// Ends may be nil: then only what packets tell is known.
	Ends Ends
	// OriginSource is how the origins of packets are known.
	OriginSource Source
	// Record takes each record. It does not keep the caller waiting.
	Record func(*Record)
	// Bytes, if it is not nil, gets the bytes of each connection in their order,
	// valid during the call.
	Bytes func(connection uint64, s decode.Side, at time.Time, b []byte)
}

// Engine makes records of packets. It is for one goroutine.
type Engine struct {
	o       Options
	table   *stream.Table
	account Account
	// Of the packet that is being handled: its origin, its connection and its side.
	origin *Origin
	conn   *conn
	from   decode.Side
	number uint64
	opened uint64
	masker *masker // nil: secrets are shown
	// streams are those that are open, and given what was counted of all.
	streams map[*Stream]struct{}
	given   Streams
}

// New returns an engine that has seen no packet.
func New(o Options) *Engine {
	e := &Engine{o: o, streams: make(map[*Stream]struct{})}
	if !o.Decode.Secrets {
		e.masker = newMasker()
	}
	e.account.Streams.Skipped = make(map[string]uint64)
	e.account.Decode.Lost = make(map[decode.LossReason]LostBytes)
	e.table = stream.New(o.Stream, e.open)
	return e
}

// Packet takes one packet, which is valid during the call. What it returns is valid until
// the next call.
func (e *Engine) Packet(p *packet.Packet, from *Origin) Sent {
	e.origin = from
	e.table.Packet(p)
	c := e.conn
	e.origin, e.conn = nil, nil
	return Sent{c, e.from}
}

// Unreachable takes the packet that an error of ICMP says was not taken
// ([packet.Unreachable]).
func (e *Engine) Unreachable(p *packet.Packet) Sent {
	e.table.Unreachable(p)
	c := e.conn
	e.conn = nil
	return Sent{c, e.from}
}

// Sent is a packet that an engine has taken: it knows the ends.
type Sent struct {
	conn *conn
	from decode.Side
}

// Ends returns what is known of the sender and the receiver now, nil where the packet is
// of no connection. They are not changed afterwards.
func (s Sent) Ends() (sender, receiver *End) {
	if s.conn == nil {
		return nil, nil
	}
	return s.conn.find(s.from), s.conn.find(s.from.Other())
}

// Flow returns a number of the packet's connection and direction, which others have only
// where the packet is of none.
func (s Sent) Flow() uint64 { return s.Connection()<<1 | uint64(s.from) }

// Connection returns the number of the packet's connection, 0 where it is of none: of none
// that is open.
func (s Sent) Connection() uint64 {
	if s.conn == nil {
		return 0
	}
	return s.conn.number
}

// Skip counts n packets that cannot be read.
func (e *Engine) Skip(reason string, n uint64) { e.account.Streams.Skipped[reason] += n }

// Expire ends what has been idle for too long, by the time of the packets.
func (e *Engine) Expire(now time.Time) { e.table.Expire(now) }

// Close ends all connections, as the recording has ended.
func (e *Engine) Close() {
	e.table.Flush()
	e.closeStreams()
}

// Account returns what was seen so far. The part Capture is the source's.
func (e *Engine) Account() Account {
	a := e.account
	c := e.table.Counts()
	a.Streams.Connections, a.Streams.Refused, a.Streams.Evicted = c.Opened, c.Refused, c.Evicted
	a.Streams.PayloadBytes, a.Streams.RepeatedBytes = c.Bytes, c.Retransmitted
	a.Streams.LateBytes, a.Streams.StrayBytes = c.Late+c.AfterEnd, c.Stray
	a.Streams.MissingBytes, a.Streams.Gaps = c.Missing, c.Gaps
	g := &e.given
	a.Streams.Connections += g.Connections
	a.Streams.Refused += g.Refused
	a.Streams.PayloadBytes += g.PayloadBytes
	a.Streams.MissingBytes += g.MissingBytes
	a.Streams.Gaps += g.Gaps
	return a
}

// open begins a connection of the table.
func (e *Engine) open(o stream.Opened) stream.Conn { return e.newConn(o, nil) }

// newConn begins a connection. given is what the source of a stream knows, nil where
// packets tell.
func (e *Engine) newConn(o stream.Opened, given *Opening) *conn {
	e.opened++
	if o.Midstream {
		e.account.Streams.Midstream++
	}
	c := &conn{engine: e, number: e.opened, opened: o, given: given, transport: o.Key.Protocol}
	c.ends[decode.Client].address, c.ends[decode.Server].address = o.Key.Src, o.Key.Dst
	if u, ok := e.o.Ends.(UnixEnds); ok && given == nil {
		if path, datagram, isUnix := u.Unix(o.Key.Dst); isUnix {
			c.transport, c.given = packet.Unix, &Opening{Server: End{Path: path}, Datagram: datagram}
		} else if path, datagram, isUnix := u.Unix(o.Key.Src); isUnix {
			c.transport, c.given = packet.Unix, &Opening{Client: End{Path: path}, Datagram: datagram}
		}
	}
	return c
}

// decoded returns the flow of the connection, which is made for its first bytes; nil where
// nothing is decoded.
func (c *conn) decoded() *decode.Flow {
	if o := &c.engine.o; c.flow == nil && len(o.Protocols) > 0 {
		opts := o.Decode
		opts.Midstream = c.opened.Midstream
		opts.Datagram = c.opened.Key.Protocol == packet.UDP || c.given != nil && c.given.Datagram
		c.flow = decode.NewFlow(decode.NewConn(opts, c.emit, c.lost), o.Protocols, c.opened.ClientKnown)
		if c.early != nil {
			for s, end := range c.early {
				if end.how != 0 {
					c.flow.End(decode.Side(s), end.at, end.how)
					c.endUnknown(decode.Side(s), end.how)
				}
			}
			c.early = nil
		}
	}
	return c.flow
}

// Idle implements [stream.Idler].
func (c *conn) Idle() {
	if c.flow != nil {
		c.flow.Idle()
	}
}

// conn is one connection with what is known of its ends.
type conn struct {
	engine *Engine
	number uint64
	opened stream.Opened
	flow   *decode.Flow
	ends   [2]side
	data   bool
	failed bool
	sent   [2]bool // packets were seen of that side
	// descriptors were sent with what is not complete yet.
	descriptors int
	// transport is that of the records.
	transport packet.Protocol
	// given is what is known of the ends beforehand, nil where packets tell all.
	given        *Opening
	losses       losses
	unrecognised unrecognised
	// early has how sides ended before there were bytes to decode; nil: none did.
	early *[2]ending
}

// ending is how a side ended, and when.
type ending struct {
	at  time.Time
	how decode.End
}

// side is one end of a connection, by the packets that it sent.
type side struct {
	address   netip.AddrPort
	cookie    uint64
	senders   []model.Process
	receivers []model.Process // named by packets of the other side
	// The ids of the last ones of both, and when the sender started.
	sender, receiver int
	started          uint64
	end              *End // what was found; nil before it is looked for
	full             bool // nothing more can be found
}

// maxSenders bounds the processes of one end; a server with more workers on one
// socket shows the first ones.
const maxSenders = 8

// Packet implements [stream.Watcher]: it notes who sent a packet, before its data come.
func (c *conn) Packet(s decode.Side, _ *packet.Packet) {
	c.engine.conn, c.engine.from = c, s
	c.sent[s] = true
	c.note(s, c.engine.origin)
}

// note notes who has sent something.
func (c *conn) note(s decode.Side, o *Origin) {
	if o == nil {
		return
	}
	d := &c.ends[s]
	if o.Cookie != 0 {
		d.cookie = o.Cookie
	}
	if p := &o.Process; p.PID != 0 && (p.PID != d.sender || p.Start != d.started) {
		d.sender, d.started = p.PID, p.Start
		d.add(&d.senders, p, o, c.engine.o.Ends)
	}
	if other := &c.ends[s.Other()]; o.Receiver.PID != 0 && o.Receiver.PID != other.receiver {
		other.receiver = o.Receiver.PID
		other.add(&other.receivers, &o.Receiver, &unmarked, c.engine.o.Ends)
	}
}

// unmarked is the origin of a process of which no mark is known.
var unmarked Origin

// add notes a process, once.
func (d *side) add(list *[]model.Process, p *model.Process, o *Origin, ends Ends) {
	for i := range *list {
		if q := &(*list)[i]; q.PID == p.PID && (q.Start == p.Start || p.Start == 0) {
			return
		}
	}
	if len(*list) >= maxSenders {
		return
	}
	found := *p
	if ends != nil {
		found = ends.Sender(found, mark.FromLimits(o.SoftLimit, o.HardLimit))
	}
	*list = append(*list, found)
	d.end = nil
}

// Data implements [stream.Conn].
func (c *conn) Data(s decode.Side, at time.Time, b []byte) {
	c.data = true
	flow := c.decoded()
	if flow != nil {
		c.engine.account.Decode.Bytes += uint64(len(b))
	}
	if f := c.engine.o.Bytes; f != nil {
		f(c.number, s, at, b)
	}
	if flow != nil {
		c.came(uint64(len(b)))
		flow.Data(s, at, b)
	}
}

// Gap implements [stream.Conn].
func (c *conn) Gap(s decode.Side, at time.Time, n int64) {
	if flow := c.decoded(); flow != nil {
		c.came(uint64(max(0, n)))
		flow.Gap(s, at, n)
	}
}

// End implements [stream.Conn].
func (c *conn) End(s decode.Side, at time.Time, how decode.End) {
	if how == decode.Stopped && c.opened.ClientKnown && c.opened.Key.Protocol == packet.TCP && !c.sent[decode.Server] {
		c.fail(Unanswered)
	}
	if c.flow != nil {
		c.flow.End(s, at, how)
		c.endUnknown(s, how)
		return
	}
	if c.early == nil {
		c.early = new([2]ending)
	}
	if c.early[s].how == 0 {
		c.early[s] = ending{at, how}
	}
}

// Refused implements [stream.Refuser].
func (c *conn) Refused(time.Time) {
	if c.transport == packet.Unix {
		c.fail(FailureOf(c.opened.Key.Dst.Port()))
		return
	}
	c.fail(Refused)
}

// fail reports that no connection was made.
func (c *conn) fail(why Failure) {
	if c.failed || c.data && c.opened.Key.Protocol != packet.UDP {
		return
	}
	c.failed = true
	c.record(&Record{Failure: why, Time: c.opened.At})
}

func (c *conn) emit(x *decode.Exchange) {
	if x.Begun {
		// It comes once more, whole.
		r := c.complete(&Record{Exchange: x, Time: x.Started})
		c.engine.o.Record(r)
		return
	}
	if n := c.descriptors; n > 0 {
		x.Details = append(x.Details[:len(x.Details):len(x.Details)], decode.Field{Name: "descriptors", Value: strconv.Itoa(n)})
		c.descriptors = 0
	}
	at := x.Started
	if at.IsZero() {
		at = x.Answered
	}
	c.record(&Record{Exchange: x, Time: at})
}

// complete puts what is known of the connection into a record.
func (c *conn) complete(r *Record) *Record {
	r.Connection, r.Transport = c.number, c.transport
	r.Client, r.Server = *c.find(decode.Client), *c.find(decode.Server)
	if c.flow != nil && c.flow.Swapped() {
		r.Client, r.Server = r.Server, r.Client
	}
	return r
}

// record completes a record, numbers it and hands it out.
func (c *conn) record(r *Record) {
	e := c.engine
	e.number++
	r.Number = e.number
	c.complete(r)
	e.account.Records.Add(r)
	e.o.Record(r)
}

// find returns what is known of an end.
func (c *conn) find(s decode.Side) *End {
	d := &c.ends[s]
	if d.end != nil && (d.full || c.engine.o.Ends == nil) {
		return d.end
	}
	end := &End{Address: d.address}
	if c.given != nil {
		*end = *c.given.end(s)
	}
	switch {
	case len(d.senders) > 0:
		end.Processes, end.Source = d.senders, c.engine.o.OriginSource
	case len(d.receivers) > 0 && c.transport == packet.Unix && s == decode.Server:
		end.Processes, end.Source = d.receivers, SourceListener
	case len(d.receivers) > 0:
		end.Processes, end.Source = d.receivers, SourceSocket
	}
	if ends := c.engine.o.Ends; ends != nil {
		if c.transport != packet.Unix && (c.given == nil || len(end.Processes) == 0) {
			remote := c.ends[s.Other()].address
			held, source := ends.Holders(c.opened.Key.Protocol, d.address, remote, d.cookie)
			if len(end.Processes) == 0 {
				end.Processes, end.Source = held, source
			} else if source == SourceSocket {
				end.Processes = union(end.Processes, held)
			}
		}
		var first *model.Process
		if len(end.Processes) > 0 {
			first = &end.Processes[0]
		}
		if end.Service == "" {
			place := ends.Place(d.address, first)
			if place.Project != "" || end.Project == "" {
				end.Project, end.Service = place.Project, place.Service
			}
			end.Container, end.Behind = place.Container, place.Behind
		}
	}
	if m := c.engine.masker; m != nil {
		end.Processes = m.processes(end.Processes)
		if b := end.Behind; b != nil {
			end.Behind = &Behind{b.Address, m.processes(b.Processes), b.Container}
		}
	}
	d.end, d.full = end, len(end.Processes) > 0
	return end
}

// union returns a and what of b is not in it.
func union(a, b []model.Process) []model.Process {
	out := a[:len(a):len(a)]
	for _, p := range b {
		known := false
		for _, q := range a {
			known = known || q.PID == p.PID && (q.Start == p.Start || p.Start == 0 || q.Start == 0)
		}
		if !known {
			out = append(out, p)
		}
	}
	return out
}
