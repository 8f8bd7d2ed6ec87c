package ports

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/show"
	"lodge/internal/sockets"
	"lodge/internal/sockets/track"
)

// watch prints what is there and then each change, until it is interrupted or
// the reader of the output is gone.
func watch(ctx context.Context, k *kit.Kit, r *request) error {
	ctx, stop := kit.UntilReaderGone(ctx, k.Env.Stdout)
	defer stop()
	l := daemonview.Open(ctx, k)
	defer l.Close()
	said := make(map[string]bool) // warnings
	p := &changePrinter{out: k.Out, json: r.flags.json, rows: newRowJSON(), text: newTableText(k, r)}
	t := track.New(track.Options[[]string]{Interval: r.flags.interval, Demand: true, Read: watchRead(r, l, !r.flags.json && !p.text.view.timeWait)})
	s := t.Subscribe(track.SubscribeOptions{Changes: true})
	defer s.Close()
	var before *sockets.Table
	for {
		u, err := s.Next(ctx)
		if err != nil {
			return nil // asked to end
		}
		if u.Err != nil {
			return u.Err
		}
		for _, text := range slices.Concat(u.Extra, u.Table.Warnings) {
			if !said[text] {
				said[text] = true
				fmt.Fprintln(k.Err, "lodge: "+text)
			}
		}
		if before == nil {
			err = p.first(u.Table)
			if err == nil && !r.flags.json {
				unknownOwners(k, u.Table.UnknownOwners)
			}
		} else {
			err = p.changes(before, u.Table, u.Changes)
		}
		if err != nil {
			return kit.Printed(err)
		}
		before = u.Table
	}
}

// watchRead returns the function that reads the table for watch, and what the
// daemon warns of. withoutTimeWait leaves out connections in TIME_WAIT: for people
// they are closed.
func watchRead(r *request, l *daemonview.View, withoutTimeWait bool) func(context.Context) (*sockets.Table, []string, error) {
	fresh := true
	return func(ctx context.Context) (*sockets.Table, []string, error) {
		if !fresh {
			l.Refresh(ctx)
		}
		fresh = false
		s, err := r.scan(ctx, l)
		if err != nil {
			return nil, nil, err
		}
		if withoutTimeWait {
			s.Keep(func(r *sockets.Row) bool { return r.State != "time_wait" })
		}
		return s.Table(), l.Warnings, nil
	}
}

// changePrinter prints changes, one a line.
type changePrinter struct {
	out  io.Writer
	json bool
	rows *rowJSON
	text *tableText
	b    []byte
}

// first prints what is there when watching begins: the table, or in JSON a
// line for each socket, whose change is "present".
func (p *changePrinter) first(t *sockets.Table) error {
	if !p.json {
		v := newView(newTableSource(t.Rows), p.text.view)
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
func (p *changePrinter) changes(before, after *sockets.Table, all []track.Change) error {
	now := time.Now()
	if p.json {
		for _, c := range all {
			old := c.Before
			if c.Kind == track.Close {
				old = nil // it is the socket itself
			}
			p.appendJSON(changeWord(c.Kind), now, c.Row(), old)
		}
		return p.flush()
	}
	servers := listensOn(&tableSource{rows: after.Rows})
	for _, kind := range []struct {
		word    string
		sign    string
		color   show.SGR
		listens *portSet
	}{
		{changeClosed, "-", show.Red, listensOn(&tableSource{rows: before.Rows})},
		{changeChanged, "~", show.Yellow, servers},
		{changeOpened, "+", show.Green, servers},
	} {
		var rows []sockets.Row
		var was []*sockets.Row
		for _, c := range all {
			if changeWord(c.Kind) == kind.word {
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
				if old := was[es[i].index]; kind.word == changeChanged {
					p.b = p.text.appendWas(p.b, old, l.row)
				}
				p.b = append(p.b, '\n')
			}
		}
	}
	return p.flush()
}

// The words for changes in JSON.
const changeOpened, changeClosed, changeChanged = "opened", "closed", "changed"

func changeWord(k track.Kind) string {
	switch k {
	case track.Open:
		return changeOpened
	case track.Close:
		return changeClosed
	}
	return changeChanged
}
