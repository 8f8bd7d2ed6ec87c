package proxy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// snapshot is a table in use, with what the engine keeps for its services. It
// does not change.
type snapshot struct {
	table   *Table
	routes  []*route
	byID    map[string]*route
	changed chan struct{} // closed when another takes its place
}

// route leads to a service.
type route struct {
	*Service
	pools []*pool // of Endpoints
	use   *usage
}

// find returns the route for a name in lower case, or nil, and the port of
// [Table.find].
func (s *snapshot) find(name []byte) (r *route, port uint16) {
	if i, port := s.table.find(name); i >= 0 {
		return s.routes[i], port
	}
	return nil, 0
}

// rawNamed returns the route of a service without HTTP that has the name, or nil.
func (s *snapshot) rawNamed(name []byte) *route {
	if i, ok := s.table.raw[string(name)]; ok {
		return s.routes[i]
	}
	return nil
}

// slowRoad reports whether net/http must carry the request: HTTP/1 in the clear
// is all that the hot road speaks.
func (r *route) slowRoad(f *facts) bool {
	if len(r.Endpoints) == 0 {
		return false
	}
	switch r.Endpoints[0].Protocol {
	case H2C, HTTPS:
		return true
	case Auto:
		return f.minor == 2 && f.grpc()
	}
	return false
}

// entry is what a listener says of the requests that come by it.
type entry struct {
	only string // the one service that it is for; "" for all
}

// decide reports where a request goes: to a route, or, if there is a page, to no
// service. wait: the service starts, or can be started, and hold must be asked.
func (e *Engine) decide(f *facts, in entry) (r *route, p *page, wait bool) {
	if f.loops >= maxLoops {
		return nil, loopPage(f), false
	}
	if stringOf(f.method) == "CONNECT" {
		return nil, methodPage(), false
	}
	if f.badExpect {
		return nil, expectPage(), false
	}
	return e.choose(e.snap.Load(), f, in)
}

// choose is decide with a given table.
func (e *Engine) choose(s *snapshot, f *facts, in entry) (r *route, p *page, wait bool) {
	r, port := s.find(f.name)
	if in.only != "" {
		r, port = s.byID[in.only], 0
	}
	if r == nil {
		if raw := s.rawNamed(f.name); raw != nil && in.only == "" {
			return nil, notHTTPPage(raw), false
		}
		if in.only == "" && ours(f.name) {
			return nil, unknownPage(s, f), false
		}
		return nil, foreignPage(f), false
	}
	if s.crossSite(r, f, in) {
		return nil, crossSitePage(r, f), false
	}
	if r.RedirectPlain && e.tls != nil && !f.tls && in.only == "" && f.target[0] == '/' {
		return nil, redirectPage(f, e.httpsPort(f)), false
	}
	if port != 0 && (r.State == Ready || r.State == Unsettled) {
		return nil, noPortPage(s, r, f, port), false
	}
	return e.able(r)
}

// able is what a route's state says.
func (e *Engine) able(r *route) (_ *route, p *page, wait bool) {
	switch {
	case r.State == Ready, r.State == Unsettled && e.cfg.Settle == nil:
		return r, nil, false
	case r.State == Starting || r.State == Failing || r.State == Unsettled || r.OnRequest && e.cfg.Start != nil:
		return r, nil, true
	}
	return nil, e.downPage(r), false
}

// hold is decide for a service that is not ready: it waits until it is, until
// it is known not to become so, until the limit, or until gone is closed.
// choose says of a table where the client goes.
func (e *Engine) hold(ctx context.Context, choose func(*snapshot) (*route, *page, bool), gone <-chan struct{}) (*route, *page) {
	ctx, cancel := context.WithTimeout(ctx, e.lim.HoldTime)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	started := false
	var enough <-chan time.Time // of waiting for one that fails
	for {
		s := e.snap.Load()
		r, p, wait := choose(s)
		if !wait {
			return r, p
		}
		if r.State == Unsettled {
			if err := e.cfg.Settle(ctx, r.ID); err != nil && ctx.Err() == nil {
				return nil, e.upstreamPage(r, err)
			}
			if e.snap.Load() != s {
				continue // the table says what was found out
			}
		}
		if r.State == Down {
			if started { // it did start, and has ended since
				return nil, e.downPage(r)
			}
			started = true
			if err := e.cfg.Start(ctx, r.ID); err != nil {
				var several *SeveralError
				if errors.As(err, &several) {
					return nil, severalPage(several)
				}
				p := e.downPage(r)
				p.cause = err.Error()
				return nil, p
			}
			// Start has returned: from here on the table says what there is to wait for.
			continue
		}
		if r.State == Failing && enough == nil {
			enough = time.After(e.lim.FailTime)
		}
		select {
		case <-s.changed:
		case <-enough:
			return nil, e.failingPage(r)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, e.startingPage(r)
			}
			return nil, gonePage()
		}
	}
}

// httpsPort is the port for addresses with https: in redirects and pages. "":
// the usual one.
func (e *Engine) httpsPort(f *facts) string {
	switch {
	case e.cfg.HTTPSPort == 443:
		return ""
	case e.cfg.HTTPSPort != 0:
		return itoa(e.cfg.HTTPSPort)
	}
	return string(f.port)
}
