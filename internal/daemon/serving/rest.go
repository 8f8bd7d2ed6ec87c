package serving

import (
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
	"lodge/internal/sockets/diag"
)

// idleLook is how often services that may rest are looked at.
const idleLook = time.Second

// restIdle stops services that start on request when nothing has used them for
// as long as they ask, until the server ends.
func (o *opened) restIdle() {
	lastUse := make(map[string]time.Time)
	tick := time.NewTicker(idleLook)
	defer tick.Stop()
	var open connections
	defer open.close()
	for {
		select {
		case <-tick.C:
		case <-o.server.ctx.Done():
			return
		}
		seen := make(map[string]bool)
		open.forget()
		for _, p := range o.server.options.Names.Table().Projects() {
			for i := range p.Services {
				st := &p.Services[i]
				if !st.OnRequest || st.IdleMS <= 0 || st.State != service.Up {
					continue
				}
				id := p.Label + "/" + st.Name
				seen[id] = true
				if last := o.used(id, st, lastUse[id], &open); time.Since(last) < time.Duration(st.IdleMS)*time.Millisecond {
					lastUse[id] = last
					continue
				}
				delete(lastUse, id)
				o.rest(&p, st)
			}
		}
		for id := range lastUse {
			if !seen[id] {
				delete(lastUse, id)
			}
		}
	}
}

// used reports when a service was used last, as far as is known: by requests for
// its name, or by connections straight to where it listens.
func (o *opened) used(id string, st *service.Status, before time.Time, open *connections) time.Time {
	u, shared := o.engine.Usage(id), o.engine.Usage(sharedID(id))
	if u.Open > 0 || shared.Open > 0 || open.to(st) {
		return time.Now()
	}
	last := u.Last
	if shared.Last.After(last) {
		last = shared.Last
	}
	if st.StartedAt != nil && st.StartedAt.After(last) {
		last = *st.StartedAt
	}
	if before.After(last) {
		last = before
	}
	return last
}

// connections are those of the machine, read once for all questions of one time.
type connections struct {
	conn *diag.Conn
	read bool
	list []diag.Socket
	err  error
}

// forget makes the next question read them again.
func (c *connections) forget() { c.read, c.list, c.err = false, nil, nil }

func (c *connections) close() {
	if c.conn != nil {
		_ = c.conn.Close() // only read from
	}
}

func (c *connections) all() ([]diag.Socket, error) {
	if c.read {
		return c.list, c.err
	}
	c.read = true
	if c.conn == nil {
		if c.conn, c.err = diag.Open(); c.err != nil {
			return nil, c.err
		}
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		var list []diag.Socket
		if list, c.err = c.conn.Dump(loopback.TCP, family, 1<<diag.StateEstablished); c.err != nil {
			return nil, c.err
		}
		c.list = append(c.list, list...)
	}
	return c.list, nil
}

// to reports whether there is a connection to the service.
func (c *connections) to(st *service.Status) bool {
	for _, e := range st.Endpoints {
		if e.Protocol != loopback.TCP {
			continue
		}
		list, err := c.all()
		if err != nil {
			return true // not known: better let it run
		}
		for _, s := range list {
			if s.Src.Port() == e.AddrPort().Port() && s.Src.Addr().Unmap() == e.IP.Unmap() {
				return true
			}
		}
	}
	return false
}

func (o *opened) rest(p *names.Project, st *service.Status) {
	if keeper, ok := o.server.options.Projects.Client(p.ID); ok {
		if err := keeper.Rest(o.server.ctx, []string{st.Name}); err != nil && o.server.ctx.Err() == nil {
			o.server.options.Log.Warn("let a service rest", "service", st.Name, "project", p.ID, "err", err)
		}
	}
}
