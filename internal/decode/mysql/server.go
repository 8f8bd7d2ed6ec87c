package mysql

import (
	"fmt"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// server handles the packets of the server.
type server struct {
	*state
	// learning means that the definitions of a prepared statement have come, and
	// that it is not known whether an EOF follows.
	learning bool
}

func (s *server) packet(p packet) {
	switch {
	case s.phase == greeting:
		if !s.greet(p) {
			s.malformed()
		}
		return
	case s.phase == login || s.session != nil:
		s.answer(p)
		return
	}
	if s.learning {
		s.learning = false
		if isEOF(p) {
			s.deprecateEOF = no
			return
		}
		s.deprecateEOF = yes
	}
	c := s.head()
	if c == nil {
		s.unasked(p)
		return
	}
	if c.x.complete && len(c.rest) > 0 {
		// The results of the next statement of the query begin.
		c.x.emit(s.state)
		c.x, c.rest = c.rest[0], c.rest[1:]
	}
	c.x.got(p)
	s.respond(c, p)
}

// unasked handles a packet that answers no command.
func (s *server) unasked(p packet) {
	e, ok := readError(p.body)
	if !ok || e.message == "" {
		s.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: p.size})
		return
	}
	s.conn.Emit(&decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindMessage, From: decode.Server, Method: "error",
		Started: p.at, Ended: p.end, Status: e.status(), Code: e.code, Failed: true,
		Request: decode.Message{Bytes: p.size},
	})
}

// respond handles a packet of the response to a command.
func (s *server) respond(c *command, p packet) {
	if len(p.body) == 0 {
		p.body = []byte{0} // an empty row
	}
	if p.body[0] == 0xff && c.code != comStatistics {
		s.failed(c, p)
		return
	}
	switch c.step {
	case first:
		s.first(c, p)
	case definitions:
		s.definition(c, p)
	case definitionEnd:
		if isEOF(p) && s.eof() != no {
			s.deprecateEOF = no
			if s.ended(p).status&statusCursor != 0 {
				s.result(c, p) // the rows are fetched by commands of their own
				return
			}
			c.step = rows
			return
		}
		s.deprecateEOF, c.step = yes, rows
		s.row(c, p)
	case rows:
		s.row(c, p)
	case parameters, parameterEnd, columnsOf, columnsEnd:
		s.preparing(c, p)
	case events:
		s.event(c, p)
	}
}

// failed handles an ERR packet.
func (s *server) failed(c *command, p packet) {
	e, ok := readError(p.body)
	if ok && e.code == 0xffff {
		return // MariaDB reports how far a statement is
	}
	if !s.conn.Secrets {
		e.message = sqltext.MaskError(e.message)
	}
	c.x.fail(e)
	for _, x := range c.rest {
		x.skip()
	}
	s.pop()
}

// first handles the first packet of a response, or that of another result.
func (s *server) first(c *command, p packet) {
	switch c.code {
	case comPrepare:
		s.prepareOK(c, p)
		return
	case comStatistics:
		c.x.Status, c.x.complete = "OK", true
		b := decode.NewBody(s.conn.Limits.Body)
		b.Write(p.body)
		b.Fill(&c.x.Response)
		s.pop()
		return
	case comFieldList:
		c.step, c.left = definitions, -1
		s.definition(c, p)
		return
	case comBinlogDump, comBinlogDumpGTID, comTableDump, comClone:
		c.step = events
		s.event(c, p)
		return
	}
	switch {
	case p.body[0] == 0 || isEnd(p):
		s.ok(c, p)
	case p.body[0] == 0xfb && c.code == comQuery:
		c.x.details = append(c.x.details, decode.Field{Name: "local file", Value: string(p.body[1:])})
		c.x.infile = decode.NewBody(s.conn.Limits.Body)
		s.state.infile = c.x
	default:
		s.columns(c, p)
	}
}

// ok handles an OK packet that is a whole result.
func (s *server) ok(c *command, p packet) {
	ok := s.ended(p)
	if p.body[0] == 0 {
		ok = s.readOK(p.body)
	}
	more := s.finish(c.x, ok, false)
	switch {
	case c.code == comInitDB:
		s.database = c.x.Target
	case c.x.Method == "USE":
		s.database = strings.Trim(strings.TrimSpace(c.x.Target[3:]), "`;")
	}
	if c.x.infile != nil && s.state.infile == c.x && s.lost {
		s.state.infile = nil // the end of the file was in a gap
	}
	s.next(c, more, true)
}

// next waits for another result, or ends the command.
func (s *server) next(c *command, more, ok bool) {
	if !more {
		s.pop()
		return
	}
	c.step = first
	// The results of a procedure end with an OK packet.
	if len(c.rest) == 0 || c.x.Method == "CALL" && !ok {
		c.x.complete = false
	}
}

// columns begins a result with rows.
func (s *server) columns(c *command, p packet) {
	r := reader{b: p.body}
	n, _ := r.length()
	if r.bad || n == 0 || n > 1<<16 || len(r.b) > 1 {
		s.lose(c, p)
		return
	}
	c.left, c.got, c.step = int(n), nil, definitions
	if len(r.b) == 1 && r.b[0] == 0 {
		// The definitions are left out, as they were sent before.
		c.left, c.step = 0, definitionEnd
		if c.stmt != nil && len(c.stmt.columns) == int(n) {
			c.got = c.stmt.columns
		} else {
			c.x.unknown("columns: they were described before")
		}
		c.x.describe(c.got, s.conn)
		s.afterDefinitions(c)
	}
}

// lose gives up a response that cannot be read.
func (s *server) lose(c *command, p packet) {
	c.x.unknown("its response: it is not what the protocol allows")
	s.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostMalformed, Bytes: p.size})
	s.forgetAll("")
	s.in[decode.Server].drop(decode.LostMalformed)
}

// definition handles the definition of a column.
func (s *server) definition(c *command, p packet) {
	if c.left < 0 && isEnd(p) { // of a list of fields, of which the number is not told
		c.x.describe(c.got, s.conn)
		s.result(c, p)
		return
	}
	col, ok := s.column(p.body)
	if !ok && c.left >= 0 && p.whole() {
		s.lose(c, p)
		return
	}
	if len(c.got) < maxColumns {
		c.got = append(c.got, col)
	}
	if c.left--; c.left == 0 {
		c.x.describe(c.got, s.conn)
		if c.stmt != nil {
			c.stmt.columns = c.got
		}
		s.afterDefinitions(c)
	}
}

// column reads the definition of a column, of MariaDB's extended form where it is
// agreed on.
func (s *server) column(b []byte) (column, bool) {
	if !s.capsKnown {
		return anyColumn(b)
	}
	return readColumn(b, s.caps&capExtendedColumns != 0)
}

const maxColumns = 4096 // what MySQL itself allows

func (s *server) afterDefinitions(c *command) {
	c.step = definitionEnd
	if s.eof() == no {
		c.step = rows
	}
}

// row handles a row, or the end of the rows.
func (s *server) row(c *command, p packet) {
	if isEnd(p) {
		s.result(c, p)
		return
	}
	if c.binary && len(c.x.columns) == 0 {
		c.x.unknown("values of its rows: their columns were not seen")
	}
	row(c.x.result(s.conn), p, c.x.columns, c.binary)
}

// result handles the end of a result with rows.
func (s *server) result(c *command, p packet) {
	s.next(c, s.finish(c.x, s.ended(p), true), false)
}

// prepareOK handles the answer to a Prepare:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html
func (s *server) prepareOK(c *command, p packet) {
	r := reader{b: p.body}
	if r.uint8() != 0 || p.payload < 12 {
		s.lose(c, p)
		return
	}
	stmt := c.stmt
	stmt.id = r.uint32()
	columns, params := int(r.uint16()), int(r.uint16())
	r.uint8()
	c.x.warnings = int(r.uint16())
	stmt.parameters, stmt.known = params, true
	s.statements.Set(stmt.id, stmt, stmt.weight())
	c.x.prepared = stmt
	c.x.Status = "OK"
	c.x.details = append(c.x.details, decode.Field{Name: "parameters", Value: fmt.Sprint(params)},
		decode.Field{Name: "columns", Value: fmt.Sprint(columns)})
	c.parameters, c.columns = params, columns
	if len(r.b) > 0 && r.b[0] == 0 {
		c.parameters, c.columns = 0, 0 // the definitions are left out
	}
	s.prepareStep(c, parameters)
}

// prepareStep goes to the next step of the answer to a Prepare that has packets.
func (s *server) prepareStep(c *command, to step) {
	for c.step = to; ; c.step++ {
		switch c.step {
		case parameters:
			if c.left = c.parameters; c.left > 0 {
				return
			}
		case parameterEnd:
			if c.parameters > 0 && (s.eof() == yes || s.eof() == notKnown && c.columns > 0) {
				return
			}
		case columnsOf:
			if c.left = c.columns; c.left > 0 {
				return
			}
		case columnsEnd:
			if c.columns > 0 && s.eof() == yes {
				return
			}
		default:
			c.x.complete = true
			s.learning = s.eof() == notKnown && c.parameters+c.columns > 0
			s.pop()
			return
		}
	}
}

// preparing handles the definitions of a prepared statement.
func (s *server) preparing(c *command, p packet) {
	switch c.step {
	case parameters, columnsOf:
		if col, ok := s.column(p.body); ok && c.step == columnsOf && len(c.stmt.columns) < maxColumns {
			c.stmt.columns = append(c.stmt.columns, col)
		}
		if c.left--; c.left == 0 {
			s.prepareStep(c, c.step+1)
		}
	case parameterEnd:
		if isEOF(p) {
			s.deprecateEOF = no
			s.prepareStep(c, columnsOf)
			return
		}
		s.deprecateEOF = yes
		if s.prepareStep(c, columnsOf); c.step == columnsOf {
			s.preparing(c, p)
		}
	case columnsEnd:
		s.prepareStep(c, columnsEnd+1)
	}
}

// event handles an event of a replication.
func (s *server) event(c *command, p packet) {
	if isEOF(p) {
		c.x.Status, c.x.complete = "EOF", true
		s.pop()
		return
	}
	if c.x.events == nil {
		c.x.events = decode.NewBody(0)
	}
	c.x.events.Skip(p.payload - 1)
	c.x.eventCount++
	if !c.x.announced {
		c.x.announced = true
		e := *c.x.Exchange
		e.Begun = true
		s.conn.Emit(&e)
	}
}
