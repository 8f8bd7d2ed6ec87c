package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/show"
	"lodge/internal/sockets"
)

// watchPorts prints what is there and then each change, until it is
// interrupted or nobody reads any more.
func (a *app) watchPorts(ctx context.Context, r *portsRequest) error {
	w, err := newPause(ctx, a.env.Stdout)
	if err != nil {
		return fmt.Errorf("watch sockets: %w", err)
	}
	defer w.close()
	l := a.look(ctx)
	defer l.Close()
	said := make(map[string]bool) // warnings
	p := &changePrinter{out: a.out, json: r.flags.json, rows: newRowJSON(), text: a.portsText(r)}
	var before *sockets.Table
	for next := time.Now(); ; {
		snapshot, err := r.scan(ctx, l)
		if ctx.Err() != nil {
			return nil // asked to end
		}
		if err != nil {
			return err
		}
		if !r.flags.json && !p.text.view.timeWait {
			// For people a connection is closed when it is in TIME_WAIT.
			snapshot.Keep(func(r *sockets.Row) bool { return r.State != "time_wait" })
		}
		t := snapshot.Table()
		for _, text := range slices.Concat(l.Warnings, t.Warnings) {
			if !said[text] {
				said[text] = true
				fmt.Fprintln(a.err, "lodge: "+text)
			}
		}
		if before == nil {
			err = p.first(t)
			if err == nil && !r.flags.json {
				a.unknownOwners(t.UnknownOwners)
			}
		} else {
			err = p.changes(before, t)
		}
		if err != nil {
			return a.printed(err)
		}
		before = t
		if next = next.Add(r.flags.interval); next.Before(time.Now()) {
			next = time.Now().Add(r.flags.interval)
		}
		if !w.until(next) {
			return nil
		}
		l.refresh(ctx)
	}
}

// pause waits, unless it is interrupted or the reader of the output goes away:
// a change may not come for hours, so the next write is too late to see that.
type pause struct {
	out  *os.File
	wake int // an eventfd
	done func() bool
	stop func() bool
}

func newPause(ctx context.Context, out *os.File) (*pause, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	return &pause{
		out: out, wake: fd,
		done: func() bool { return ctx.Err() != nil },
		stop: func() bool {
			if stop() {
				return true
			}
			<-woken // it writes to the descriptor that is closed next
			return false
		},
	}, nil
}

func (p *pause) close() {
	p.stop()
	_ = unix.Close(p.wake)
}

// until returns false when it is time to end.
func (p *pause) until(t time.Time) bool {
	for {
		ms := int(time.Until(t).Milliseconds()) + 1
		if ms <= 0 {
			return !p.done()
		}
		fds := []unix.PollFd{{Fd: int32(p.wake), Events: unix.POLLIN}, {Fd: int32(p.out.Fd())}} // POLLERR and POLLHUP come unasked
		_, err := unix.Poll(fds, ms)
		switch {
		case p.done(), err == nil && fds[1].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
			return false
		case err != nil && !errors.Is(err, unix.EINTR):
			return false
		}
		if time.Until(t) <= 0 {
			return true
		}
	}
}

// changePrinter prints changes, one a line.
type changePrinter struct {
	out  io.Writer
	json bool
	rows *rowJSON
	text *portsText
	b    []byte
}

// first prints what is there when watching begins: the table, or in JSON a
// line for each socket, whose change is "present".
func (p *changePrinter) first(t *sockets.Table) error {
	if !p.json {
		v := newPortsView(newTableSource(t.Rows), p.text.view)
		v.sort("", false)
		return p.text.print(p.out, v)
	}
	now := time.Now()
	for i := range t.Rows {
		p.appendJSON("present", now, &t.Rows[i], nil)
		if len(p.b) >= flushAt {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

func (p *changePrinter) flush() error {
	_, err := p.out.Write(p.b)
	p.b = p.b[:0]
	// Processes come and go: what is kept of them must not grow for ever.
	p.rows = newRowJSON()
	return err
}

func (p *changePrinter) appendJSON(change string, at time.Time, r, before *sockets.Row) {
	b := append(p.b, `{"change":`...)
	b = show.AppendJSON(b, change)
	b = appendTime(append(b, `,"time":`...), at)
	b = p.rows.row(append(b, `,"socket":`...), r)
	if before != nil {
		b = p.rows.row(append(b, `,"before":`...), before)
	}
	p.b = append(b, '}', '\n')
}

// changes prints what differs between two tables: for people each connection
// once, not once an end.
func (p *changePrinter) changes(before, after *sockets.Table) error {
	all := sockets.Diff(before, after)
	now := time.Now()
	if p.json {
		for _, c := range all {
			old := c.Before
			if c.Kind == sockets.Closed {
				old = nil // it is the socket itself
			}
			p.appendJSON(string(c.Kind), now, c.Row(), old)
		}
		return p.flush()
	}
	servers := listensOn(&tableSource{rows: after.Rows})
	for _, kind := range []struct {
		kind    sockets.ChangeKind
		sign    string
		color   show.SGR
		listens *portSet
	}{
		{sockets.Closed, "-", show.Red, listensOn(&tableSource{rows: before.Rows})},
		{sockets.Changed, "~", show.Yellow, servers},
		{sockets.Opened, "+", show.Green, servers},
	} {
		var rows []sockets.Row
		var was []*sockets.Row
		for _, c := range all {
			if c.Kind == kind.kind {
				rows, was = append(rows, *c.Row()), append(was, c.Before)
			}
		}
		v := viewRows(newTableSource(rows), kind.listens, p.text.view)
		v.sort("", false)
		for _, es := range [][]entry{v.listeners, v.connections, v.unix} {
			make := v.maker(es)
			for i := range es {
				start := len(p.b)
				p.b = append(p.b, kind.sign...)
				if p.text.color {
					p.b = show.PaintFrom(p.b, start, kind.color)
				}
				p.b = now.AppendFormat(append(p.b, ' '), "15:04:05 ")
				l := make(i)
				p.b = p.text.appendSentence(p.b, l)
				if old := was[es[i].index]; kind.kind == sockets.Changed {
					p.b = p.text.appendWas(p.b, old, l.row)
				}
				p.b = append(p.b, '\n')
			}
		}
	}
	return p.flush()
}
