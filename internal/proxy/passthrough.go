package proxy

import (
	"crypto/tls"
	"errors"
	"slices"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/pages"
	"lodge/internal/proxy/policy"
)

// A service that speaks no HTTP is reached by TLS alone: the name that the
// client asks for in its hello (SNI, RFC 6066, section 3) says which it is, and
// after the handshake both sides are joined as they are.
//
// No page of the web gets there: browsers say by ALPN (RFC 7301) that they
// speak HTTP, and a handshake that offers nothing else ends without a protocol
// in common, so a request is never taken for something else (ALPACA, 2021).

// passThrough serves the clients of such services.
type passThrough struct{ e *Engine }

// speaksHTTP reports whether a protocol of ALPN is one of HTTP's.
func speaksHTTP(proto string) bool {
	return proto == "h2" || proto == "http/1.1" || proto == "http/1.0"
}

// handshakeConfig returns the settings for a client that is on its way to a service
// without HTTP: it may name any protocol but HTTP. Nil: the usual ones.
func (p passThrough) handshakeConfig(h *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.ContainsFunc(h.SupportedProtos, speaksHTTP) {
		p.settle(h)
	}
	if p.route(p.e.snap.Load(), h.ServerName, h.SupportedProtos) < 0 {
		return nil, nil
	}
	t := p.e.tls.Clone()
	t.GetConfigForClient = nil
	t.NextProtos = slices.DeleteFunc(slices.Clone(h.SupportedProtos), speaksHTTP)
	if len(t.NextProtos) == 0 && len(h.SupportedProtos) > 0 {
		t.NextProtos = []string{"none but HTTP was offered"} // nothing in common ends the handshake
	}
	return t, nil
}

// settle finds out what the service speaks that a client asks for which may be
// no client of HTTP: it decides how the handshake goes on.
func (p passThrough) settle(h *tls.ClientHelloInfo) {
	var buf [http1.MaxHost]byte
	name, port, ok := http1.SplitHost(&buf, []byte(h.ServerName))
	if !ok || len(port) > 0 || p.e.cfg.Settle == nil {
		return
	}
	t := p.e.snap.Load().table
	if i, _ := t.Find(name); i >= 0 && t.Service(i).State == Unsettled {
		_ = p.e.cfg.Settle(h.Context(), t.Service(i).ID) // the table says what was found out
	}
}

// route returns the index of the service for a client that asks for a name and
// offers protocols: one without HTTP, or any other if the client says that it
// speaks no HTTP. -1: it gets HTTP, or nothing.
func (p passThrough) route(s *snapshot, name string, offered []string) int {
	var buf [http1.MaxHost]byte
	b, port, ok := http1.SplitHost(&buf, []byte(name)) // crypto/tls leaves capitals as they came
	if !ok || len(port) > 0 {
		return -1
	}
	if i := s.table.Raw(b); i >= 0 {
		return i
	}
	if len(offered) == 0 || slices.ContainsFunc(offered, speaksHTTP) {
		return -1
	}
	i, noPort := s.table.Find(b)
	if noPort != 0 {
		return -1
	}
	return i
}

// serve joins a client whose handshake is over to the service that it asked
// for, and returns false if it is one for HTTP.
func (p passThrough) serve(c *fastConn, st tls.ConnectionState) bool {
	e := p.e
	var offered []string
	if st.NegotiatedProtocol != "" {
		offered = []string{st.NegotiatedProtocol}
	}
	if c.accepted.only != "" || p.route(e.snap.Load(), st.ServerName, offered) < 0 {
		return false
	}
	c.due.Store(0)
	c.waits(true)
	choose := func(s *snapshot) (*route, *pages.Page, bool) {
		i := p.route(s, st.ServerName, offered)
		if i < 0 {
			return nil, pages.Gone(), false
		}
		d := e.rules.State(s.table, i)
		if d.Refusal != policy.Allowed {
			return nil, pages.Gone(), false
		}
		return s.routes[i], nil, d.Wait
	}
	for range maxMoves {
		r, _, wait := choose(e.snap.Load())
		if wait {
			r, _ = e.awaitReady(e.ctx, choose, c.goneChan())
		}
		if r == nil {
			break
		}
		r.use.begin()
		u, err := e.connect(e.ctx, r, true, c)
		if err == nil && !c.use(u) {
			u.Close()
			err = errClientGone
		}
		if err == nil {
			c.use(nil)
			e.leave(c)
			joinTunnel(e, r, c.accepted, c.c, u)
			r.use.end(e.now.Load()) // the tunnel counts for itself
			return true
		}
		r.use.end(e.now.Load())
		if !errors.Is(err, errMoved) {
			break
		}
	}
	c.end() // there is no protocol in which to say why
	return true
}
