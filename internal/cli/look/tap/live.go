package tap

import (
	"context"
	"errors"
	"fmt"
	"os"
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
)

// liveSource is a tap of this machine, or of the network namespace that this is in.
type liveSource struct {
	run    *run
	helper *helperapi.Client
	view   *daemonview.View
	tap    *helperapi.Tap
	rings  *ring.Rings
}

// openLive starts a tap.
func openLive(ctx context.Context, r *run) (_ source, err error) {
	s := &liveSource{run: r}
	if s.helper, err = connect(ctx, r.kit); err != nil {
		return nil, err
	}
	t, files, err := helperapi.StartTap(ctx, s.helper, requestOf(r.filter))
	if err != nil {
		return nil, errors.Join(noTap(err), s.close())
	}
	s.tap = t
	if s.rings, err = ring.Open(files, t.RingBytes); err != nil {
		return nil, errors.Join(fmt.Errorf("tap: %w", err), s.close())
	}
	s.view = daemonview.Open(ctx, r.kit)
	r.kit.Warn(s.view.Warnings...)
	return s, nil
}

// close ends the tap, with the connection that it is of.
func (s *liveSource) close() (err error) {
	if s.rings != nil {
		err = s.rings.Close()
	}
	if s.view != nil {
		s.view.Close()
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
	var counts helperapi.TapCounts
	var ended error
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		defer read()
		counts, ended = s.tap.End(context.WithoutCancel(ctx))
	})
	gone := s.watch(reading, read)
	err := s.rings.Run(reading, (&liveReader{run: s.run, engine: engine}).packet)
	lost := gone()
	switch {
	case !stop():
		<-over
	case lost == nil: // the rings cannot be read any more
		counts, ended = s.tap.End(context.WithoutCancel(ctx))
	}
	if lost != nil {
		ended = lost
	}
	engine.Close()
	had := s.rings.Counts()
	capture := captured(&counts, &had)
	if ended != nil { // what the kernel counted is not known
		seen := tap.Count{Packets: had.Packets, Bytes: had.Bytes}
		capture = tap.Capture{Seen: seen, Delivered: seen, Unknown: true}
	}
	if err = errors.Join(err, ended); err != nil {
		err = &kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: "what was seen until then is told; start lodge tap again"}
	}
	return capture, err
}

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
	return fmt.Errorf("tap: %w", err)
}

// requestOf is what is asked of the helper: where the filter names ports, only these.
func requestOf(f *tapfilter.Filter) helperapi.TapRequest {
	var req helperapi.TapRequest
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
	} {
		if part.n.Packets > 0 {
			part.to[part.name] = tap.Count(part.n)
		}
	}
	// What was delivered and not read is lost as well, such as at an error.
	if had.Packets < out.Delivered.Packets {
		lost := tap.Count{Packets: out.Delivered.Packets - had.Packets, Bytes: out.Delivered.Bytes - min(had.Bytes, out.Delivered.Bytes)}
		out.Delivered = tap.Count{Packets: had.Packets, Bytes: had.Bytes}
		out.Lost["unread"] = lost
	}
	return out
}

// liveReader gives the packets of rings to an engine, and to the file of packets.
type liveReader struct {
	run     *run
	engine  *tap.Engine
	packets packet.Packet
	expired time.Time
}

// expireEvery is how often what was waited for is given up, and idle connections are ended.
const expireEvery = 100 * time.Millisecond

// packet takes one packet.
func (l *liveReader) packet(p *ring.Packet) error {
	out := l.run.out
	if out.failed() != nil {
		return nil // it ends; what is in the rings is let go of, and counted
	}
	var sent tap.Sent
	if err := packet.Parse(ring.LinkType, p.Data, p.OrigLen, &l.packets); err != nil {
		l.engine.Skip(tapfile.Skipped(err))
	} else {
		l.packets.Time = p.Time
		origin := originOf(p)
		sent = l.engine.Packet(&l.packets, &origin)
	}
	if out.packets != nil {
		sender, receiver := sent.Ends()
		if err := out.packets.packet(p, sender, receiver); err != nil {
			out.fail(err)
		}
	}
	if p.Time.Sub(l.expired) > expireEvery {
		l.expired = p.Time
		l.engine.Expire(p.Time)
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
func (p *packetFile) packet(q *ring.Packet, sender, receiver *tap.End) error {
	flags := pcapfile.Outbound
	if q.Flags&ring.ChecksumPartial != 0 {
		flags |= pcapfile.ChecksumNotReady
	}
	if q.Segment > 0 {
		flags |= pcapfile.Segmented
	}
	return p.take(func() error { return p.w.Packet(q.Time, q.Data, q.OrigLen, flags, sender, receiver) })
}
