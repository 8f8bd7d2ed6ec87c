package proxy

import (
	"sync/atomic"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/pages"
	"lodge/internal/proxy/policy"
	"lodge/internal/proxy/upstream"
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
	pools []*upstream.Pool // of Endpoints
	use   *usage
}

// target is what the service is told about the name by which it is asked.
func (r *route) target() http1.Target { return http1.Target{Host: r.Host, Origin: r.Origin} }

// byTransport reports whether net/http's Transport must carry the request: the
// service speaks HTTP/2 or TLS. Upgrades are of HTTP/1 alone.
func (r *route) byTransport(req *http1.Request) bool {
	if len(r.Endpoints) == 0 || req.Upgrade != nil {
		return false
	}
	switch r.Endpoints[0].Protocol {
	case H2C, HTTPS:
		return true
	case Auto:
		return req.Minor == 2 && req.GRPC()
	}
	return false
}

// router knows the table in use, and finds the service for a request and a
// connection to it.
type router struct {
	cfg   Config
	lim   Limits
	rules policy.Rules
	snap  atomic.Pointer[snapshot]
}

// decide reports where a request goes by a table: to a route, or, if there is a
// page, to no service. wait: the service starts, or can be started, and
// awaitReady must be called. only is the ID of the one service that the listener is for.
func (t *router) decide(s *snapshot, req *http1.Request, only string) (r *route, p *pages.Page, wait bool) {
	d := t.rules.Decide(s.table, req, only)
	if d.Refusal != policy.Allowed {
		return nil, pages.Refused(d, s.table, req, t.httpsPort(req), t.tail), false
	}
	return s.routes[d.Service], nil, d.Wait
}

// httpsPort is the port for addresses with https: in redirects and pages. "":
// the usual one.
func (t *router) httpsPort(req *http1.Request) string {
	switch {
	case t.cfg.HTTPSPort == 443:
		return ""
	case t.cfg.HTTPSPort != 0:
		return itoa(t.cfg.HTTPSPort)
	}
	return string(req.Port)
}

// tail returns the last lines that a service wrote.
func (t *router) tail(s *Service) []string {
	if t.cfg.Tail == nil {
		return nil
	}
	return t.cfg.Tail(s.ID)
}
