package proxy

import (
	"crypto/tls"
	"errors"
	"slices"
)

// A service that speaks no HTTP is reached by TLS alone: the name that the
// client asks for in its hello (SNI, RFC 6066, section 3) says which it is, and
// after the handshake both sides are joined as they are.
//
// No page of the web gets there: browsers say by ALPN (RFC 7301) that they
// speak HTTP, and a handshake that offers nothing else ends without a protocol
// in common, so a request is never taken for something else (ALPACA, 2021).

// speaksHTTP reports whether a protocol of ALPN is one of HTTP's.
func speaksHTTP(proto string) bool {
	return proto == "h2" || proto == "http/1.1" || proto == "http/1.0"
}

// rawConfig returns the settings for a client that is on its way to a service
// without HTTP: it may name any protocol but HTTP. Nil: the usual ones.
func (e *Engine) rawConfig(h *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.ContainsFunc(h.SupportedProtos, speaksHTTP) {
		e.settle(h)
	}
	if e.rawTo(e.snap.Load(), h.ServerName, h.SupportedProtos) == nil {
		return nil, nil
	}
	t := e.tls.Clone()
	t.GetConfigForClient = nil
	t.NextProtos = slices.DeleteFunc(slices.Clone(h.SupportedProtos), speaksHTTP)
	if len(t.NextProtos) == 0 && len(h.SupportedProtos) > 0 {
		t.NextProtos = []string{"none but HTTP was offered"} // nothing in common ends the handshake
	}
	return t, nil
}

// settle finds out what the service speaks that a client asks for which may be
// no client of HTTP: it decides how the handshake goes on.
func (e *Engine) settle(h *tls.ClientHelloInfo) {
	var buf [maxHost]byte
	name, port, ok := splitHost(&buf, []byte(h.ServerName))
	if !ok || len(port) > 0 || e.cfg.Settle == nil {
		return
	}
	if r, _ := e.snap.Load().find(name); r != nil && r.State == Unsettled {
		_ = e.cfg.Settle(h.Context(), r.ID) // the table says what was found out
	}
}

// rawTo finds the route of a client that asks for a name and offers protocols:
// to a service without HTTP, or to any other if that is what the client says
// that it speaks. Nil: it gets HTTP, or nothing.
func (e *Engine) rawTo(s *snapshot, name string, offered []string) *route {
	var buf [maxHost]byte
	b, port, ok := splitHost(&buf, []byte(name)) // crypto/tls leaves capitals as they came
	if !ok || len(port) > 0 {
		return nil
	}
	if r := s.rawNamed(b); r != nil {
		return r
	}
	if len(offered) == 0 || slices.ContainsFunc(offered, speaksHTTP) {
		return nil
	}
	r, noPort := s.find(b)
	if noPort != 0 {
		return nil
	}
	return r
}

// joinRaw joins a client whose handshake is over to the service that it asked
// for, and says false if it is one for HTTP.
func (c *h1conn) joinRaw(st tls.ConnectionState) bool {
	e := c.e
	var offered []string
	if st.NegotiatedProtocol != "" {
		offered = []string{st.NegotiatedProtocol}
	}
	if c.low.in.only != "" || e.rawTo(e.snap.Load(), st.ServerName, offered) == nil {
		return false
	}
	c.due.Store(0)
	c.wait.Store(e.now.Load())
	choose := func(s *snapshot) (*route, *page, bool) {
		r := e.rawTo(s, st.ServerName, offered)
		if r == nil {
			return nil, gonePage(), false
		}
		return e.able(r)
	}
	for range maxMoves {
		r, _, wait := choose(e.snap.Load())
		if wait {
			r, _ = e.hold(e.ctx, choose, c.goneChan())
		}
		if r == nil {
			break
		}
		r.use.begin()
		u, err := e.connect(e.ctx, r, true, c)
		if err == nil && !c.use(u) {
			u.close()
			err = errClientGone
		}
		if err == nil {
			c.use(nil)
			e.leave(c)
			e.buffers.putReader(u.br) // nothing was read with it
			e.tunnels.join(r.use, c.low, c.c, u.c, u.raw)
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

var errClientGone = errors.New("the client has gone")
