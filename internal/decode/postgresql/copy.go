package postgresql

import "lodge/internal/decode"

// copyData handles the data that the client sends, and its end.
func (c client) copyData(m message) {
	x := c.copy
	if x == nil {
		// The client need not wait for the server's CopyInResponse.
		if x = c.queue.copying(); x == nil && c.unsure && !c.busy() && c.queue.last() == nil {
			x = newExchange(c.state, "COPY", m)
			x.closed = true
			x.unknown(c.why())
			c.push(&entry{kind: 'Q', x: x}, message{at: m.at, end: m.end})
		}
		if x == nil {
			// The copy has failed already, or is not known.
			c.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Client, Reason: decode.LostState, Bytes: m.size})
			return
		}
		beginCopy(c.state, x)
	}
	x.sent(m)
	switch m.kind {
	case 'd':
		x.copying().write(decode.Client, m, c.conn.Limits.Body)
	case 'f':
		r := reader{b: m.body}
		x.details = append(x.details, decode.Field{Name: "copy failed", Value: r.text()})
		c.state.copy = nil
	case 'c':
		c.state.copy = nil
	}
}

// copying returns the exchange of the newest request, where it may be a COPY that
// has not been answered.
func (q *queue) copying() *exchange {
	if q.newest == nil || q.newest.x == nil {
		return nil
	}
	if x := q.newest.x; !x.complete && (x.Method == "COPY" || x.Method == "") {
		return x
	}
	return nil
}

// beginCopy notes that the client sends data for an exchange. A Sync that was
// sent before is ignored by the server.
func beginCopy(s *state, x *exchange) {
	s.copy = x
	for n := len(s.queue.entries); n > 0; n-- {
		e := s.queue.entries[n-1]
		if e.kind != 'S' || e.x != x {
			return
		}
		s.queue.entries = s.queue.entries[:n-1]
		s.queue.weight -= e.weight
		x.open--
	}
}

// copying returns the data that an exchange copies.
func (x *exchange) copying() *copied {
	if x.copied == nil {
		x.copied = &copied{}
	}
	return x.copied
}

// write adds the data of one message.
func (c *copied) write(from decode.Side, m message, limit int) {
	body, count := &c.in, &c.inCount
	if from == decode.Server {
		body, count = &c.out, &c.outNum
	}
	if *body == nil {
		*body = decode.NewBody(limit)
	}
	(*body).Write(m.body)
	(*body).Skip(m.size - 5 - int64(len(m.body)))
	*count++
}

// copyBegins handles the server's consent to a COPY.
func (s *server) copyBegins(x *exchange, m message) {
	r := reader{b: m.body}
	c := x.copying()
	c.binary = r.byte() == 1
	switch m.kind {
	case 'G':
		c.method = "in"
	case 'H':
		c.method = "out"
	case 'W':
		c.method = "both"
		if !x.begun {
			x.begun = true
			e := *x.Exchange
			e.Begun = true
			s.conn.Emit(&e)
		}
	}
	// Where the client did not wait, all its data may have come before.
	if m.kind != 'H' && c.in == nil {
		beginCopy(s.state, x)
	}
}
