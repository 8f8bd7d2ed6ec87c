package tui

import (
	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

// digest is a frame as the views show it. Each list is made when it is asked
// for: only one is on the screen.
type digest struct {
	Counts counts

	frame *Frame
	ix    *index
	match Match

	connections []connectionItem
	paired      bool // connections are made
}

// counts are of everything, whatever the filter says.
type counts struct {
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
	rates map[socketKey]Rate
	// connected has the sockets with a peer.
	connected map[ends]int
	// listening has listeners and bound sockets by their own address only;
	// several share one with SO_REUSEPORT.
	listening map[ends][]int
}

func newIndex(rows []sockets.Row, rates map[socketKey]Rate) *index {
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

// isListener is true for what waits for somebody: a TCP listener, a UDP socket
// without a peer.
func isListener(r *sockets.Row) bool {
	return r.Local != nil && (r.State == stateListen || r.Protocol == "udp" && r.Remote == nil)
}

// isConnection is true for what has two ends. TIME_WAIT has, but it is over: it
// is only counted.
func isConnection(r *sockets.Row) bool {
	return r.Local != nil && r.Remote != nil && r.State != stateListen && r.State != stateTimeWait
}

func (ix *index) rate(i int) Rate { return ix.rates[keyOf(&ix.rows[i])] }

// listener returns the listener that a connection to e.local reached, one of
// those of who holds it where several share the address; -1 for none.
func (ix *index) listener(e ends, holder party) int {
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

// digestOf takes a frame in; match leaves out what is not wanted, nil leaves
// nothing out.
func digestOf(f *Frame, rates map[socketKey]Rate, match Match) *digest {
	ix := newIndex(f.Rows, rates)
	return &digest{Counts: countsOf(f, ix), frame: f, ix: ix, match: match}
}

// Connections are made once, for the list and for who talks to whom.
func (d *digest) Connections() []connectionItem {
	if !d.paired {
		d.connections, d.paired = connectionItems(d.ix, d.match), true
	}
	return d.connections
}

func (d *digest) Services() []serviceItem   { return serviceItems(d.frame.Projects, d.ix, d.match) }
func (d *digest) Listeners() []listenerItem { return listenerItems(d.ix, d.match) }
func (d *digest) Talks() []talkItem         { return talkItems(d.Connections()) }

func countsOf(f *Frame, ix *index) counts {
	up := projectsUp(f.Projects)
	c := counts{Projects: len(up), Sockets: len(f.Rows)}
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

// projectsUp are those with a keeper.
func projectsUp(ps []localapi.Project) []localapi.Project {
	var up []localapi.Project
	for _, p := range ps {
		if p.State == "up" {
			up = append(up, p)
		}
	}
	return up
}
