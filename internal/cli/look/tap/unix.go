package tap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lodge/internal/capture/ring"
	"lodge/internal/capture/unixcalls"
	"lodge/internal/decode"
	"lodge/internal/helperapi"
	"lodge/internal/model"
	"lodge/internal/sockets/diag"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// unixTap is a tap of Unix sockets, beside the one of lo. It gives their connections to
// the same engine.
type unixTap struct {
	run     *run
	tap     *helperapi.Tap
	records *ring.Records
	diag    *diag.Conn
	files   *tapfile.UnixStreams // nil where no packets are written

	engine *tap.Engine
	mu     *sync.Mutex // guards the engine and the outputs, and what follows
	calls  *unixcalls.Assembler
}

// unixConn is a connection that has carried something.
type unixConn struct {
	stream  *tap.Stream
	packets *tapfile.Segments // nil where none are written
	missing [2]int64          // bytes that no packet has told yet
}

const (
	// unixLook is how often what has waited is given up, and it is looked whether sockets
	// are still there.
	unixLook = 500 * time.Millisecond
	// maxSegment is how much one packet of a file has.
	maxSegment = 60_000
)

// openUnix starts a tap.
func openUnix(ctx context.Context, r *run, c *helperapi.Client) (*unixTap, error) {
	t, files, err := helperapi.StartTapUnix(ctx, c, helperapi.TapUnixRequest{})
	if err != nil {
		return nil, noTap(err)
	}
	u := &unixTap{run: r, tap: t}
	if u.records, err = ring.OpenRecords(files, t.RingBytes, unixcalls.RecordSize); err != nil {
		return nil, fmt.Errorf("tap: %w", err)
	}
	if u.diag, err = diag.Open(); err != nil {
		return nil, errors.Join(fmt.Errorf("tap: %w", err), u.close())
	}
	return u, nil
}

func (u *unixTap) close() error {
	err := u.records.Close()
	if u.diag != nil {
		err = errors.Join(err, u.diag.Close())
	}
	return err
}

// read gives what is told to the engine, until ctx ends; mu is for what both taps use.
func (u *unixTap) read(ctx context.Context, e *tap.Engine, mu *sync.Mutex) error {
	u.engine, u.mu, u.calls = e, mu, unixcalls.New(u)
	if p := u.run.out.packets; p != nil {
		u.files = tapfile.NewUnixStreams(p.w)
	}
	looking, stop := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { u.look(looking) })
	err := u.records.Run(ctx, func(at time.Time, b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		return u.calls.Record(at, b)
	})
	stop()
	looks.Wait()
	mu.Lock()
	defer mu.Unlock()
	u.calls.Close()
	return err
}

// look gives up what has waited for too long, and ends connections whose sockets are not
// there any more.
func (u *unixTap) look(ctx context.Context) {
	every := time.NewTicker(unixLook)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		u.mu.Lock()
		u.calls.Expire(time.Now())
		open := u.calls.Open()
		u.mu.Unlock()
		if !open {
			continue
		}
		at := time.Now()
		l := &diag.Listing{Proto: diag.ProtoUnix, Question: diag.Question{States: diag.AllStates}}
		if l.Read(ctx, u.diag); l.Err != nil {
			continue // they end with the tap
		}
		exists := make(map[uint32]bool, len(l.Recs))
		for i := range l.Recs {
			exists[l.Recs[i].Inode] = true
		}
		u.mu.Lock()
		u.calls.Gone(at, exists)
		u.mu.Unlock()
	}
}

// captured is what the kernel counted, as the account has it.
func (u *unixTap) captured(c *helperapi.TapCounts, ended error) *tap.Capture {
	had := u.calls.Counts()
	if ended != nil {
		seen := tap.Count{Packets: had.Calls, Bytes: had.Bytes}
		return &tap.Capture{Seen: seen, Delivered: seen, Unknown: true}
	}
	out := captured(c, &ring.Counts{Packets: had.Calls, Bytes: had.Bytes})
	return &out
}

// Open implements [unixcalls.Sink]. A connection is told when it carries something.
func (u *unixTap) Open(*unixcalls.Conn) {}

// Data implements [unixcalls.Sink].
func (u *unixTap) Data(c *unixcalls.Conn, s decode.Side, p unixcalls.Piece) {
	if u.run.out.failed() != nil {
		return // it ends; what comes still is let go of, and counted
	}
	one, ok := c.Owner.(*unixConn)
	if !ok {
		one = u.begin(c)
	}
	origin := tap.Origin{SoftLimit: p.From.SoftLimit, HardLimit: p.From.HardLimit, UID: &p.From.UID}
	if p.From.PID != 0 {
		origin.Process = processOf(p.From)
	}
	if s == decode.Client && c.PeerPID != 0 {
		origin.Receiver = model.Process{PID: int(c.PeerPID)}
	}
	one.stream.Sent(s, &origin)
	if p.Descriptors > 0 {
		one.stream.Descriptors(p.Descriptors)
	}
	one.stream.Data(s, p.At, p.Missing, p.Data)
	if one.missing[s] += p.Missing; one.packets == nil || len(p.Data) == 0 {
		return
	}
	u.write(func() error {
		client, server := one.stream.Ends()
		missing := one.missing[s]
		one.missing[s] = 0
		for b := p.Data; ; b = b[maxSegment:] {
			n := min(len(b), maxSegment)
			if err := one.packets.Data(s, p.At, missing, b[:n], client, server); err != nil || n == len(b) {
				return err
			}
			missing = 0
		}
	})
}

func processOf(p unixcalls.Process) model.Process {
	return model.Process{PID: int(p.PID), Start: p.Start, Name: p.Comm}
}

// begin tells of a connection.
func (u *unixTap) begin(c *unixcalls.Conn) *unixConn {
	one := &unixConn{stream: u.engine.Open(tap.Opening{
		At: c.At, Server: tap.End{Path: c.Path}, Unix: true, Datagram: c.Type == unixcalls.Datagram, Midstream: c.Midstream, Guessed: !c.ClientKnown,
	})}
	c.Owner = one
	if u.files != nil {
		u.write(func() (err error) {
			client, server := one.stream.Ends()
			one.packets, err = u.files.Open(c.At, client, server, c.Midstream)
			return err
		})
	}
	return one
}

// End implements [unixcalls.Sink].
func (u *unixTap) End(c *unixcalls.Conn, s decode.Side, at time.Time, missing int64, how decode.End) {
	one, ok := c.Owner.(*unixConn)
	if !ok {
		return
	}
	one.stream.End(s, at, missing, how)
	if one.packets != nil && how != decode.Stopped {
		u.write(func() error {
			client, server := one.stream.Ends()
			return one.packets.End(s, at, missing+one.missing[s], how, client, server)
		})
	}
}

// Refused implements [unixcalls.Sink].
func (u *unixTap) Refused(a unixcalls.Attempt) {
	if u.run.out.failed() != nil {
		return
	}
	o := tap.Opening{At: a.At, Server: tap.End{Path: a.Path}, Unix: true}
	if a.Process.PID != 0 {
		origin := tap.Origin{Process: processOf(a.Process), SoftLimit: a.Process.SoftLimit, HardLimit: a.Process.HardLimit}
		u.engine.Complete(&o.Client, &origin)
	}
	u.engine.Fail(o, tap.FailureOf(uint16(a.Errno)))
	if u.files != nil {
		u.write(func() error { return u.files.Fail(a.At, &o.Client, &o.Server, a.Errno) })
	}
}

// write writes packets.
func (u *unixTap) write(f func() error) {
	out := u.run.out
	if err := out.packets.take(f); err != nil {
		out.fail(err)
	}
}
