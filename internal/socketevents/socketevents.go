// Package socketevents publishes what changes in the machine's table of sockets as
// events. It reads the table by package sockets/track while it runs, and sees what the
// user may see for whom the process runs, as `lodge ports` does.
package socketevents

import (
	"context"
	"net/netip"
	"time"

	"lodge/internal/event"
	"lodge/internal/sockets"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
	"lodge/internal/sockets/track"
)

// Interval is the usual time between two readings: that of `lodge ports --watch`.
const Interval = time.Second

// Options are what a Follower needs.
type Options struct {
	// Interval is the time between two readings.
	Interval time.Duration
	// Homes returns the homes of the projects that are up.
	Homes func() []holders.Home
	// Live is the helper's map of sockets; nil: none.
	Live holders.Live
}

// Follower publishes events of sockets. Run may be called again once it has returned.
type Follower struct{ options Options }

// New returns a Follower.
func New(o Options) *Follower { return &Follower{o} }

const (
	// rest bounds the share of time that readings take where they are slow: a fifth.
	rest = 4
	// buffer is how many readings may wait for their changes to be published.
	buffer = 4
)

// Run follows the table until ctx ends. The first event says that sockets are followed
// from there on. A reading that fails is made up for by the next one.
func (f *Follower) Run(ctx context.Context, publish func(...event.Event)) {
	r := &reader{options: f.options, cache: track.NewHolderCache()}
	s := track.New(track.Options[homes]{Interval: f.options.Interval, Rest: rest, Read: r.read}).
		Subscribe(track.SubscribeOptions{Changes: true, Buffer: buffer})
	defer s.Close()
	begun := false
	for {
		u, err := s.Next(ctx)
		if err != nil {
			return // ctx has ended
		}
		if u.Err != nil {
			continue
		}
		publish(eventsOf(&u, !begun)...)
		begun = true
	}
}

// homes are the ids of projects by the names that the table has.
type homes map[string]string

// reader reads the table. It is for one goroutine at a time.
type reader struct {
	options Options
	cache   *track.HolderCache
	diag    diag.Support
}

func (r *reader) read(ctx context.Context) (*sockets.Table, homes, error) {
	list := r.options.Homes()
	q := sockets.Query{Homes: list, Live: r.options.Live, Diag: &r.diag}
	t, err := r.cache.List(ctx, q, time.Now())
	if err != nil {
		return nil, nil, err
	}
	// A connection in TIME_WAIT is closed: no process holds it.
	kept := *t
	kept.Rows = make([]sockets.Row, 0, len(t.Rows))
	for i := range t.Rows {
		if t.Rows[i].State != "time_wait" {
			kept.Rows = append(kept.Rows, t.Rows[i])
		}
	}
	ids := make(homes, len(list))
	for i := range list {
		ids[list[i].Project] = list[i].ID
	}
	return &kept, ids, nil
}

// eventsOf returns the events of one reading.
func eventsOf(u *track.Update[homes], first bool) []event.Event {
	source := event.Source{Name: event.SourceDaemon}
	var out []event.Event
	if first {
		out = append(out, event.Event{
			Time: u.Time, Kind: event.KindSocket, Source: source,
			Socket: &event.Socket{Change: event.SocketsFollowed, Sockets: len(u.Table.Rows)},
		})
	}
	if u.Lost > 0 {
		out = append(out, event.Event{
			Time: u.Time, Kind: event.KindLost, Source: source,
			Lost: &event.Lost{Reason: event.LostReadings, Count: uint64(u.Lost), Of: event.KindSocket},
		})
	}
	for i := range u.Changes {
		c := &u.Changes[i]
		out = append(out, event.Event{
			Time: u.Time, Kind: event.KindSocket, Source: source,
			Subject: event.Subject{ProjectID: u.Extra[c.Project], Project: c.Project, Service: c.Service},
			Socket:  payload(c),
		})
	}
	return out
}

// payload returns a change as readers of events have it.
func payload(c *track.Change) *event.Socket {
	row := c.Row()
	s := &event.Socket{
		Change: string(c.Kind), Protocol: string(c.Protocol), Local: address(c.Local), Remote: address(c.Remote), Path: c.Path,
		State: c.State, StateBefore: c.Was, Scope: string(row.Scope),
		PID: c.PID, Command: c.Command, Project: c.Project, Service: c.Service,
	}
	for _, r := range []*sockets.Row{c.After, c.Before} {
		if r == nil || s.Process != "" {
			continue
		}
		held := r.Processes
		if r.Closed != nil {
			held = append(held[:len(held):len(held)], r.Closed)
		}
		for _, p := range held {
			if p.PID == c.PID {
				s.Process = p.Name
				break
			}
		}
	}
	return s
}

func address(a netip.AddrPort) *event.SocketAddress {
	if !a.IsValid() {
		return nil
	}
	return &event.SocketAddress{IP: a.Addr().String(), Port: a.Port()}
}
