package postgresql

import (
	"fmt"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// client handles the messages of the client.
type client struct {
	*state
}

func (c client) message(m message) {
	if c.copy != nil && (m.kind == 'S' || m.kind == 'H') {
		c.copy.sent(m) // the server ignores them while it copies in
		return
	}
	switch m.kind {
	case 'Q':
		c.query(m)
	case 'P':
		c.parse(m)
	case 'B':
		c.bind(m)
	case 'D':
		c.describe(m)
	case 'C':
		c.closes(m)
	case 'E':
		c.execute(m)
	case 'S':
		c.sync(m)
	case 'H':
		if c.lead != nil {
			c.lead.sent(m)
			c.closeLead()
		}
	case 'F':
		c.function(m)
	case 'd', 'c', 'f':
		c.copyData(m)
	case 'p':
		if c.session != nil {
			c.session.password(m)
		}
	case 'X':
		// It ends the connection, and has no answer.
	}
}

// query begins the exchanges of a simple query.
func (c client) query(m message) {
	c.closeLead()
	r := reader{b: m.body}
	text := r.text()
	parts := sqltext.Split(sqltext.PostgreSQL, text, c.queue.limit)
	if len(parts) == 0 {
		parts = []sqltext.Part{{Text: strings.TrimSpace(text), End: len(text)}}
	}
	all := make([]*exchange, len(parts))
	rest := m.size
	for i, p := range parts {
		x := newExchange(c.state, "", m)
		x.closed, x.part = true, p
		x.statement(sqltext.Read(sqltext.PostgreSQL, p.Text, c.conn.Secrets))
		if !m.whole && i == len(parts)-1 {
			x.unknown("the end of its text: it is longer than what is held of a message")
		}
		if i > 0 {
			x.Request.Bytes = int64(len(p.Text))
			x.Ended = m.end
			rest -= x.Request.Bytes
		}
		all[i] = x
	}
	e := &entry{kind: 'Q', x: all[0], rest: all[1:]}
	if len(all) > 1 {
		e.text = text
	}
	m.size = rest
	c.push(e, m)
}

// leading returns the exchange to which a message belongs that leads to an
// Execute; a message of one of some kinds begins another one.
func (c client) leading(m message, again string) *exchange {
	if c.lead != nil && strings.ContainsAny(c.lead.has, again) {
		c.closeLead()
	}
	if c.lead == nil {
		c.lead = newExchange(c.state, "", m)
	}
	c.lead.has += string(m.kind)
	return c.lead
}

// closeLead ends an exchange without an Execute.
func (c client) closeLead() {
	x := c.lead
	if x == nil {
		return
	}
	c.lead = nil
	x.closed = true
	switch {
	case strings.Contains(x.has, "P"):
		x.Method = "prepare"
	case strings.Contains(x.has, "B"):
		x.Method = "bind"
	case strings.Contains(x.has, "D"):
		x.Method = "describe"
	default:
		x.Method = "close"
	}
	if x.Group != "" {
		x.Group = x.Method + " " + x.Group
	}
	if x.open <= 0 {
		x.emit(c.state, x.complete)
	}
}

func (c client) parse(m message) {
	x := c.leading(m, "PB")
	r := reader{b: m.body}
	stmt := &statement{name: r.text(), cut: !m.whole}
	text := strings.TrimRight(strings.TrimSpace(r.text()), "; \t\r\n")
	stmt.Statement = sqltext.Read(sqltext.PostgreSQL, text, c.conn.Secrets)
	for n := r.int16(); n > 0 && !r.bad; n-- {
		stmt.parameters = append(stmt.parameters, uint32(r.int32()))
	}
	x.stmt = stmt
	x.statement(stmt.Statement)
	if stmt.cut {
		x.unknown("the end of its text: it is longer than what is held of a message")
	}
	before, _ := c.statements.Get(stmt.name)
	c.statements.Set(stmt.name, stmt, stmt.weight())
	c.push(&entry{kind: 'P', x: x, name: stmt.name, stmt: stmt, before: before}, m)
}

func (c client) bind(m message) {
	x := c.leading(m, "B")
	p := readPortal(c.state, m)
	x.use(c.state, p)
	c.portals.Set(p.name, p, p.size+64)
	c.push(&entry{kind: 'B', x: x, portal: p}, m)
}

// describe handles Describe, of a statement or a portal.
func (c client) describe(m message) {
	c.about(c.leading(m, ""), m)
}

// closes handles Close, which is an exchange of its own; that of a portal which
// has just been executed belongs to its statement.
func (c client) closes(m message) {
	c.closeLead()
	if last := c.queue.last(); last != nil && last.kind == 'E' && len(m.body) > 0 && m.body[0] == 'P' && last.x.portal == last.portal {
		c.about(last.x, m)
		return
	}
	c.about(c.leading(m, ""), m)
	c.closeLead()
}

// about handles a message about a statement or a portal.
func (c client) about(x *exchange, m message) {
	r := reader{b: m.body}
	what, name := r.byte(), r.text()
	e := &entry{kind: m.kind, x: x, name: name}
	if what == 'S' {
		e.stmt, _ = c.statements.Get(name)
	} else {
		e.portal, _ = c.portals.Get(name)
	}
	if x.stmt == nil && x.portal == nil {
		switch {
		case e.portal != nil:
			x.use(c.state, e.portal)
		case e.stmt != nil:
			x.stmt = e.stmt
			x.statement(e.stmt.Statement)
		default:
			x.Target = name
		}
	}
	switch {
	case m.kind != 'C':
	case what == 'S':
		c.statements.Delete(name)
	default:
		c.portals.Delete(name)
	}
	c.push(e, m)
}

func (c client) execute(m message) {
	r := reader{b: m.body}
	name := r.text()
	x := c.lead
	if x == nil {
		x = newExchange(c.state, "", m)
	}
	c.lead = nil
	x.closed = true
	x.maxRows = r.int32()
	p, ok := c.portals.Get(name)
	switch {
	case ok:
		x.use(c.state, p)
		if p.executed {
			x.Method = "fetch"
			x.Group = "fetch " + x.Group
		}
		p.executed = true
	default:
		x.stmt, x.Method, x.Target, x.Group = nil, "", "", ""
		p = &portal{name: name}
		x.portal = p
		x.unseen(c.state, "portal", name, "bound")
	}
	c.push(&entry{kind: 'E', x: x, portal: p}, m)
}

// sync ends a batch. It belongs to the last statement that waits for its
// response, or is an exchange of its own.
func (c client) sync(m message) {
	c.closeLead()
	e := &entry{kind: 'S'}
	last := c.queue.last()
	switch {
	case last != nil && !endsReady(last.kind):
		e.x = last.x
	case !c.state.failed:
		e.x = newExchange(c.state, "sync", m)
		e.x.closed, e.x.answered = true, "ReadyForQuery"
	}
	c.push(e, m)
}

func (c client) function(m message) {
	c.closeLead()
	x := newExchange(c.state, "function call", m)
	x.closed = true
	r := reader{b: m.body}
	x.Target = fmt.Sprintf("function %d", uint32(r.int32()))
	var list []int
	for n := r.int16(); n > 0 && !r.bad; n-- {
		list = append(list, r.int16())
	}
	x.portal = &portal{}
	n := r.int16()
	for i := 0; i < n && !r.bad; i++ {
		size := r.int32()
		if r.bad {
			break
		}
		f := decode.Field{Name: fmt.Sprintf("$%d", i+1), Value: "NULL"}
		if size >= 0 {
			v := r.take(min(int(size), len(r.b)))
			if format(list, i) == 1 {
				f.Value = sqltext.Hex(v, int64(size))
			} else {
				f.Value = sqltext.Value(v, int64(size))
			}
		}
		x.portal.parameters = append(x.portal.parameters, f)
	}
	c.push(&entry{kind: 'F', x: x}, m)
}
