package view

import (
	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

// Digest is a frame as the views show it. Each list is made when it is asked
// for: only one is on the screen.
type Digest struct {
	Counts Counts

	frame *Frame
	ix    *index
	match Match

	pairs  []connectionItem
	paired bool // pairs are made
}

// Counts are of the whole frame, without the filter.
type Counts struct {
	Projects    int `json:"projects"`
	Services    int `json:"services"`
	Listeners   int `json:"listeners"`
	Connections int `json:"connections"`
	TimeWait    int `json:"time_wait"`
	Sockets     int `json:"sockets"`
}

// index finds sockets of a frame by their ends.
type index struct {
	rows  []sockets.Row
	rates Rates
	// connected has the sockets with a peer.
	connected map[ends]int
	// listening has listeners and bound sockets by their own address only;
	// several share one with SO_REUSEPORT.
	listening map[ends][]int
}

func newIndex(rows []sockets.Row, rates Rates) *index {
	ix := &index{rows: rows, rates: rates, connected: make(map[ends]int, len(rows)), listening: make(map[ends][]int)}
	for i := range rows {
		r := &rows[i]
		switch e := endsOf(r); {
		case isListener(r):
			e.remote = anyRemote
			ix.listening[e] = append(ix.listening[e], i)
		case isConnection(r):
			ix.connected[e] = i
		}
	}
	return ix
}

// isListener reports whether a socket waits for clients: a TCP listener, or a UDP
// socket without a peer.
func isListener(r *sockets.Row) bool {
	return r.Local != nil && (r.State == stateListen || r.Protocol == "udp" && r.Remote == nil)
}

// isConnection reports whether a socket has two ends. One in TIME_WAIT has too, but
// its connection is over: it is only counted.
func isConnection(r *sockets.Row) bool {
	return r.Local != nil && r.Remote != nil && r.State != stateListen && r.State != stateTimeWait
}

func (ix *index) rate(i int) Rate { return ix.rates[keyOf(&ix.rows[i])] }

// listener returns the index of the listener that a connection to e.local reached;
// -1 for none. If several share the address, it is one of the holder's processes.
func (ix *index) listener(e ends, holder Party) int {
	e.remote = anyRemote
	found := ix.listening[e]
	for _, all := range wildcards(e) {
		if len(found) > 0 {
			break
		}
		found = ix.listening[all]
	}
	if len(found) == 0 {
		return -1
	}
	for _, i := range found {
		for _, p := range ix.rows[i].Processes {
			for _, q := range holder.Processes {
				if p.PID == q.PID {
					return i
				}
			}
		}
	}
	return found[0]
}

// NewDigest returns the digest of a frame, with the items that match; a nil match
// takes all.
func NewDigest(f *Frame, rates Rates, match Match) *Digest {
	ix := newIndex(f.Rows, rates)
	return &Digest{Counts: countsOf(f, ix), frame: f, ix: ix, match: match}
}

// connections pairs the sockets once, for the connections and for the talk.
func (d *Digest) connections() []connectionItem {
	if !d.paired {
		d.pairs, d.paired = connectionItems(d.ix, d.match), true
	}
	return d.pairs
}

func (d *Digest) services() []serviceItem   { return serviceItems(d.frame.Projects, d.ix, d.match) }
func (d *Digest) listeners() []listenerItem { return listenerItems(d.ix, d.match) }
func (d *Digest) talks() []talkItem         { return talkItems(d.connections()) }

func countsOf(f *Frame, ix *index) Counts {
	up := projectsUp(f.Projects)
	c := Counts{Projects: len(up), Sockets: len(f.Rows)}
	for _, p := range up {
		c.Services += len(p.Services)
	}
	for i := range f.Rows {
		r := &f.Rows[i]
		switch {
		case r.State == stateTimeWait:
			c.TimeWait++
		case isListener(r):
			c.Listeners++
		case isConnection(r):
			// Each connection once: the other end is left to its own row.
			if j, ok := ix.connected[endsOf(r).swapped()]; !ok || i <= j {
				c.Connections++
			}
		}
	}
	return c
}

// projectsUp returns the projects with a keeper.
func projectsUp(ps []localapi.Project) []localapi.Project {
	var up []localapi.Project
	for _, p := range ps {
		if p.State == "up" {
			up = append(up, p)
		}
	}
	return up
}
