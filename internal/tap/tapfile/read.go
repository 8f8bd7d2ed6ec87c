// Package tapfile reads capture files for package tap, with the processes that they
// name, and writes them.
package tapfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/mark"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// Source is a capture file that is read.
type Source struct {
	reader  *pcapfile.Reader
	capture tap.Capture
	places  map[uint32]tap.Place // of processes, by process id
	parsed  int                  // how many processes places has
	keys    func(keylog []byte)
	unix    map[netip.Addr]string // the paths of Unix sockets, by the addresses that stand for them
	named   int                   // how many names unix has
	secrets int                   // how many secrets of the file were given to keys
	// also, for tests, gets each packet of a connection with its ends.
	also func(r *pcapfile.Record, sender, receiver *tap.End)
}

// Open reads the head of a capture file.
func Open(r io.Reader) (*Source, error) {
	reader, err := pcapfile.Open(r)
	if err != nil {
		return nil, err
	}
	return &Source{reader: reader, places: make(map[uint32]tap.Place)}, nil
}

// Keys has f called with the lines of TLS key logs that are in the file, before the
// packets behind them.
func (s *Source) Keys(f func(keylog []byte)) { s.keys = f }

// HasSecrets reports whether the file has decryption secrets, as far as it was read.
func (s *Source) HasSecrets() bool { return len(s.reader.Secrets()) > 0 }

// giveKeys calls what [Source.Keys] has set.
func (s *Source) giveKeys() {
	list := s.reader.Secrets()
	for _, k := range list[s.secrets:] {
		if k.Type == pcapfile.SecretsTLS && s.keys != nil {
			s.keys(k.Data)
		}
	}
	s.secrets = len(list)
}

var _ tap.Ends = (*Source)(nil)

// Sender implements [tap.Ends]: what the file says is all.
func (s *Source) Sender(p model.Process, _ mark.Mark) model.Process { return p }

// Holders implements [tap.Ends]: a file has no table of sockets.
func (s *Source) Holders(packet.Protocol, netip.AddrPort, netip.AddrPort, uint64) ([]model.Process, tap.Source) {
	return nil, ""
}

// Place implements [tap.Ends].
func (s *Source) Place(_ netip.AddrPort, p *model.Process) tap.Place {
	if p == nil {
		return tap.Place{}
	}
	list := s.reader.Processes()
	for _, q := range list[s.parsed:] {
		for _, c := range q.Comments {
			if place, ok := parsePlace(c); ok {
				s.places[q.PID] = place
			}
		}
	}
	s.parsed = len(list)
	return s.places[uint32(p.PID)]
}

// Run gives all packets to an engine. It ends with the file, the context, or the first
// part that cannot be read; what was read before that is whole.
func (s *Source) Run(ctx context.Context, e *tap.Engine) error {
	defer e.Close()
	take := NewTaker(e)
	defer take.Close()
	var p packet.Packet
	for ctx.Err() == nil {
		r, err := s.reader.Next()
		s.giveKeys()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.capture.Seen.Add(int(r.OrigLen))
		s.capture.Delivered.Add(int(r.OrigLen))
		p.Time = r.Time
		origin := s.origin(r)
		sent := take.Take(packet.LinkType(r.LinkType), r.Data, int(r.OrigLen), &p, &origin)
		if s.also != nil {
			sender, receiver := sent.Ends()
			s.also(r, sender, receiver)
		}
		e.Expire(r.Time)
	}
	return nil
}

// Taker gives frames to an engine. What cannot be read is counted there.
type Taker struct {
	engine    *tap.Engine
	fragments packet.Fragments
}

// NewTaker returns a taker for an engine.
func NewTaker(e *tap.Engine) *Taker { return &Taker{engine: e} }

// Take gives a frame to the engine. p is reused, and has its time; origLen is the frame's
// length on the wire. A fragment of IP is held until the others have come.
func (t *Taker) Take(link packet.LinkType, data []byte, origLen int, p *packet.Packet, from *tap.Origin) tap.Sent {
	err := t.fragments.Parse(link, data, origLen, p)
	switch {
	case err == nil:
		return t.engine.Packet(p, from)
	case errors.Is(err, packet.ErrHeld):
		return tap.Sent{}
	case errors.Is(err, packet.ErrNotTransport) && packet.Unreachable(link, data, origLen, p):
		return t.engine.Unreachable(p)
	}
	t.engine.Skip(skipped(err), 1)
	t.dropped()
	return tap.Sent{}
}

// Close counts the fragments of datagrams of which others did not come.
func (t *Taker) Close() {
	t.fragments.Close()
	t.dropped()
}

func (t *Taker) dropped() {
	if n := t.fragments.Dropped(); n > 0 {
		t.engine.Skip(skipped(packet.ErrFragment), n)
	}
}

// skipped returns the reason of a packet that [packet.Parse] does not read, for the
// account.
func skipped(err error) string {
	switch {
	case errors.Is(err, packet.ErrFragment):
		return "fragment"
	case errors.Is(err, packet.ErrTruncated):
		return "cut"
	case errors.Is(err, packet.ErrMalformed):
		return "malformed"
	}
	return "not_tcp_or_udp"
}

// ReadEnd reads the counters at the end of a file, of which not all was read.
func (s *Source) ReadEnd(file io.ReaderAt, size int64) { s.reader.ReadEnd(file, size) }

// Capture is what the file says of how it was captured: what was lost, if it has counts.
func (s *Source) Capture() tap.Capture {
	c := s.capture
	c.Unknown = true
	// The last counters of an interface are those of all of it.
	last := make(map[int]pcapfile.Statistics)
	for _, d := range s.reader.Drops() {
		last[d.Interface] = d
	}
	var lost uint64
	for _, d := range last {
		for _, n := range []pcapfile.Count{d.Dropped, d.OSDropped} {
			if n.Known {
				c.Unknown = false
				lost += n.N
			}
		}
	}
	if lost > 0 {
		c.Lost = map[string]tap.Count{"before_the_file": {Packets: lost}}
		c.Seen.Packets += lost
	}
	return c
}

// origin is what the file says of the processes of a packet.
func (s *Source) origin(r *pcapfile.Record) (o tap.Origin) {
	if len(r.Processes) > 0 {
		o.Process = s.process(r.Processes[0].PID, r.Time)
	}
	if len(r.Processes) > 1 {
		o.Receiver = s.process(r.Processes[1].PID, r.Time)
	}
	if len(r.Processes) == 0 {
		for _, c := range r.Comments {
			if p, ok := commented(c); ok {
				o.Process = p
			}
		}
	}
	return o
}

func (s *Source) process(pid uint32, at time.Time) model.Process {
	p := model.Process{PID: int(pid)}
	if q, ok := s.reader.Process(pid, at); ok && pid != 0 {
		p.Name, p.Command, p.User = q.Name, strings.Join(q.Args, " "), q.User
		if !q.Started.IsZero() {
			started := q.Started
			p.StartedAt = &started
		}
		for _, c := range q.Comments {
			if d, ok := strings.CutPrefix(c, directoryMark); ok {
				p.Directory = d
			}
		}
	}
	return p
}

// commented reads the process of a comment as ptcpdump and rustnet write it: lines of
// "PID: 12" and "Command: curl", or "Cmd: …".
func commented(c string) (p model.Process, ok bool) {
	for line := range strings.Lines(c) {
		key, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "pid":
			if _, err := fmt.Sscanf(value, "%d", &p.PID); err != nil {
				return p, false
			}
		case "command", "cmd", "process":
			p.Name = value[strings.LastIndexByte(value, '/')+1:]
		case "args":
			p.Command = value
		}
	}
	return p, p.PID > 0
}

// Places stand in the comments of processes: "lodge: shop/web", "lodge: shop/".
const placeMark = "lodge: "

// directoryMark is before the working directory in a comment of a process.
const directoryMark = "directory: "

func placeText(p tap.Place) string { return placeMark + p.Project + "/" + p.Service }

func parsePlace(c string) (tap.Place, bool) {
	text, ok := strings.CutPrefix(c, placeMark)
	if !ok {
		return tap.Place{}, false
	}
	project, service, ok := strings.Cut(text, "/")
	return tap.Place{Project: project, Service: service}, ok
}
