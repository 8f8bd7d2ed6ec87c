package tap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/capture/ring"
	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/helperapi"
	"lodge/internal/model"
	"lodge/internal/sockets"
	"lodge/internal/tap"
	"lodge/internal/tap/ends"
	"lodge/internal/tap/tapfile"
	"lodge/internal/tap/tapfilter"
	"lodge/internal/tlssecrets"
)

// liveSource is a tap of this machine, or of the network namespace that this is in.
type liveSource struct {
	run    *run
	helper *helperapi.Client
	view   *daemonview.View
	probes *tlssecrets.Probes // nil: none are asked for
	tap    *helperapi.Tap
	rings  *ring.Rings
	unix   *unixTap // nil: not asked for
}

// openLive starts a tap.
func openLive(ctx context.Context, r *run) (_ source, err error) {
	s := &liveSource{run: r}
	if s.helper, err = connect(ctx, r.kit); err != nil {
		return nil, err
	}
	s.view = daemonview.Open(ctx, r.kit)
	r.kit.Warn(s.view.Warnings...)
	if r.flags.TLS {
		// Before the first packet: its connection may be one whose secrets are wanted.
		if s.probes, err = openProbes(ctx, r, s.helper, s.view); err != nil {
			return nil, errors.Join(err, s.close())
		}
		r.probes, r.keys.probes = s.probes, s.probes
	}
	t, files, err := helperapi.StartTap(ctx, s.helper, requestOf(r.filter))
	if err != nil {
		return nil, errors.Join(noTap(err), s.close())
	}
	s.tap = t
	if s.rings, err = ring.Open(files, t.RingBytes); err != nil {
		return nil, errors.Join(&kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: noTapHint}, s.close())
	}
	if r.keys != nil && !r.flags.Packets {
		r.keys.find(ctx)
	}
	if r.flags.Unix {
		if s.unix, err = openUnix(ctx, r, s.helper); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// close ends the tap, with the connection that it is of.
func (s *liveSource) close() (err error) {
	if s.rings != nil {
		err = s.rings.Close()
	}
	if s.unix != nil {
		err = errors.Join(err, s.unix.close())
	}
	if s.view != nil {
		s.view.Close()
	}
	if s.probes != nil {
		err = errors.Join(err, closeProbes(s.probes))
	}
	return errors.Join(err, s.helper.Close())
}

// read reads what the kernel gives until the context ends.
func (s *liveSource) read(ctx context.Context) (tap.Capture, error) {
	engine := s.run.newEngine(s.finder(ctx), tap.SourcePacket)
	// All that the kernel has given is read: so the tap ends first, and the reading
	// after it.
	reading, read := context.WithCancel(context.WithoutCancel(ctx))
	defer read()
	var counts, unixCounts helperapi.TapCounts
	var ended, unixEnded error
	end := func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
		defer cancel()
		counts, ended = s.tap.End(last)
		if s.unix != nil {
			unixCounts, unixEnded = s.unix.tap.End(last)
		}
		if errors.Is(ended, context.DeadlineExceeded) {
			ended = errors.New("end it: the helper does not answer, as if it were halted")
		}
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		defer read()
		end()
	})
	gone := s.watch(reading, read)
	reader := &liveReader{run: s.run, engine: engine, take: tapfile.NewTaker(engine)}
	s.rings.Idle = func() {
		reader.mu.Lock()
		defer reader.mu.Unlock()
		s.run.keys.look(time.Now())
	}
	both := make(chan error, 1)
	if s.unix != nil {
		go func() {
			err := s.unix.read(reading, engine, &reader.mu)
			if err != nil {
				read() // the other one cannot go on alone
			}
			both <- err
		}()
	} else {
		both <- nil
	}
	err := s.rings.Run(reading, reader.packet)
	if err != nil {
		read()
	}
	err = errors.Join(err, <-both)
	lost := gone()
	switch {
	case !stop():
		<-over
	case lost == nil: // the rings cannot be read any more
		end()
	}
	if lost != nil {
		ended, unixEnded = lost, lost
	}
	reader.take.Close()
	engine.Close()
	s.run.keys.over()
	had := s.rings.Counts()
	capture := captured(&counts, &had)
	if ended != nil { // what the kernel counted is not known
		seen := tap.Count{Packets: had.Packets, Bytes: had.Bytes}
		capture = tap.Capture{Seen: seen, Delivered: seen, Unknown: true}
	}
	if s.unix != nil {
		s.run.unix = s.unix.captured(&unixCounts, unixEnded)
	}
	if ended == nil {
		ended = unixEnded
	}
	if err = errors.Join(err, ended); err != nil {
		err = &kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: "what was seen until then is told; start lodge tap again"}
	}
	return capture, err
}

// endPatience is how long the helper may take to end a tap.
const endPatience = 5 * time.Second

// watch ends the reading when the helper goes, with which the tap goes. What it returns
// waits for that to end, and returns why the helper went, or nil.
func (s *liveSource) watch(ctx context.Context, end func()) (gone func() error) {
	watching, stop := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() {
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-watching.Done():
				result <- nil
				return
			case <-every.C:
				if err := s.helper.Err(); err != nil {
					end()
					result <- err
					return
				}
			}
		}
	}()
	return func() error {
		stop()
		return <-result
	}
}

// connect returns a connection to the helper: to the machine's, or as root to one of
// this command's own, which ends with it.
func connect(ctx context.Context, k *kit.Kit) (c *helperapi.Client, err error) {
	if os.Geteuid() == 0 {
		c, err = helperapi.Spawn(k.Env.Helper)
	} else {
		c, err = helperapi.Dial(ctx, helperapi.SystemSocket)
	}
	if err == nil {
		if _, err = c.Hello(ctx); err != nil {
			err = errors.Join(err, c.Close())
		}
	}
	if err != nil {
		return nil, &kit.Hinted{Err: fmt.Errorf("tap: read the packets of this machine: %w", err), Hint: "sudo lodge setup, once; without root, homes of the seccomp engine: lodge tap --relay; recorded packets: lodge tap -r FILE"}
	}
	return c, nil
}

// noTap returns the error of a tap that the helper did not make.
func noTap(err error) error {
	if e := (*helperapi.Error)(nil); errors.As(err, &e) && e.Hint() != "" {
		return &kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: e.Hint()}
	}
	return &kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: noTapHint}
}

// noTapHint is the hint where packets cannot be had for a reason that has none of its own.
const noTapHint = "lodge doctor says what this machine lacks; recorded packets are read by lodge tap -r FILE"

// requestOf is what is asked of the helper: where the filter names ports, only these.
func requestOf(f *tapfilter.Filter) helperapi.TapRequest {
	// Errors of ICMP tell what was refused. They have no ports, so that they come only where
	// all ports are wanted.
	req := helperapi.TapRequest{Others: true}
	if ports, ok := f.Ports(); ok && len(ports) <= helperapi.MaxTapPorts {
		for _, p := range ports {
			req.Ports = append(req.Ports, helperapi.PortRange{First: p.Low, Last: p.High})
		}
	}
	return req
}

// finder finds the processes at the ends.
func (s *liveSource) finder(ctx context.Context) *ends.Finder { return newFinder(ctx, s.run, s.view) }

// newFinder returns what finds the processes at the ends, by what the daemon knows too.
func newFinder(ctx context.Context, r *run, view *daemonview.View) *ends.Finder {
	first := true
	return ends.New(ctx, ends.Options{
		Table: func(ctx context.Context) (*sockets.Table, error) {
			return sockets.List(ctx, view.Query(sockets.Query{}))
		},
		Homes: func() []ends.Home {
			if !first {
				view.Refresh(ctx)
			}
			first = false
			return homes(view)
		},
		Behind: func(ctx context.Context, to netip.AddrPort) ([]model.Process, string) {
			return behind(ctx, view, to)
		},
		Now:  time.Now,
		Warn: func(text string) { r.kit.Warn("tap: " + text) },
	})
}

// homes returns the projects that are up, with where their services listen.
func homes(view *daemonview.View) []ends.Home {
	out := make([]ends.Home, len(view.Homes))
	for i, h := range view.Homes {
		out[i].Home = h
		for _, p := range view.Projects {
			if p.Shown() != h.Project {
				continue
			}
			for _, s := range p.Services {
				for _, e := range s.Endpoints {
					out[i].Endpoints = append(out[i].Endpoints, ends.Endpoint{At: e.AddrPort(), Service: s.Name})
				}
			}
		}
	}
	return out
}

// captured is what the kernel counted, as the account has it. had is what was read.
func captured(c *helperapi.TapCounts, had *ring.Counts) tap.Capture {
	out := tap.Capture{Seen: tap.Count(c.Seen), Delivered: tap.Count(c.Delivered), LeftOut: map[string]tap.Count{}, Lost: map[string]tap.Count{}}
	for _, part := range []struct {
		to   map[string]tap.Count
		name string
		n    helperapi.TapCount
	}{
		{out.LeftOut, "ack", c.Acks}, {out.LeftOut, "filter", c.Filtered}, {out.LeftOut, "other_user", c.NotAllowed},
		{out.Lost, "ring_full", c.RingFull}, {out.Lost, "no_ring", c.NoRing}, {out.Lost, "copy_failed", c.Failed},
		{out.Lost, "too_large", c.TooLarge}, {out.Lost, "not_copied", c.NotCopied}, {out.Lost, "no_room", c.NoRoom},
	} {
		if part.n != (helperapi.TapCount{}) {
			part.to[part.name] = tap.Count(part.n)
		}
	}
	// What was delivered and not read is lost as well, such as at an error.
	if had.Packets < out.Delivered.Packets || had.Bytes < out.Delivered.Bytes {
		lost := tap.Count{Packets: out.Delivered.Packets - had.Packets, Bytes: out.Delivered.Bytes - min(had.Bytes, out.Delivered.Bytes)}
		out.Delivered = tap.Count{Packets: had.Packets, Bytes: had.Bytes}
		out.Lost["unread"] = lost
	}
	return out
}

// liveReader gives the packets of rings to an engine, and to the file of packets.
type liveReader struct {
	run     *run
	mu      sync.Mutex // guards the engine and the outputs, which a tap of Unix sockets uses too
	engine  *tap.Engine
	take    *tapfile.Taker
	expires time.Time // when the engine is told the time again
	// Of the packet that is being read, and reused.
	packets packet.Packet
	origin  tap.Origin
}

// expireEvery is how often what was waited for is given up, and idle connections are ended.
const expireEvery = 100 * time.Millisecond

// packet takes one packet.
func (l *liveReader) packet(p *ring.Packet) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.run.out
	if out.failed() != nil {
		return nil // it ends; what is in the rings is let go of, and counted
	}
	if probes := l.run.probes; probes != nil {
		if p.PID != 0 {
			probes.Saw(int(p.PID), p.Start, p.Time)
		}
		if p.DstPID != 0 {
			probes.Saw(int(p.DstPID), 0, p.Time)
		}
	}
	l.packets.Time = p.Time
	l.origin = originOf(p)
	sent := l.take.Take(ring.LinkType, p.Data, p.OrigLen, &l.packets, &l.origin)
	if out.packets != nil {
		if err := out.packets.packet(p, sent); err != nil {
			out.fail(err)
		}
	}
	if p.Time.After(l.expires) {
		l.expires = p.Time.Add(expireEvery)
		l.engine.Expire(p.Time)
		l.run.keys.look(time.Now())
	}
	return nil
}

func originOf(p *ring.Packet) tap.Origin {
	o := tap.Origin{Cookie: p.Cookie, SoftLimit: p.SoftLimit, HardLimit: p.HardLimit}
	if p.PID != 0 {
		o.Process = model.Process{PID: int(p.PID), Start: p.Start, Name: p.Comm}
	}
	if p.DstPID != 0 {
		o.Receiver = model.Process{PID: int(p.DstPID)}
	}
	if p.UID != ring.NoUID {
		o.UID = &p.UID
	}
	return o
}

// packet writes a packet.
func (p *packetFile) packet(q *ring.Packet, sent tap.Sent) error {
	flags := pcapfile.Outbound
	if q.Flags&ring.ChecksumPartial != 0 {
		flags |= pcapfile.ChecksumNotReady
	}
	if q.Segment > 0 {
		flags |= pcapfile.Segmented
	}
	sender, receiver := sent.Ends()
	return p.take(func() error { return p.w.Packet(sent.Flow(), q.Time, q.Data, q.OrigLen, flags, sender, receiver) })
}
