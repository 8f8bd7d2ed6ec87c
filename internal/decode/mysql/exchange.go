package mysql

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// exchange is an exchange that is being put together.
type exchange struct {
	*decode.Exchange
	emitted   bool
	announced bool // that it has begun
	complete  bool // the end of a result was seen

	prepared      *statement
	number        uint32 // of a prepared statement that was not seen
	parameters    []decode.Field
	columns       []column
	rows          *sqltext.Rows
	results       int
	affected      string
	insertID      string
	info          string
	warnings      int
	inTransaction bool
	ok            []decode.Field // what the session's state is now
	details       []decode.Field
	infile        *decode.Body
	eventCount    int
	events        *decode.Body // of a replication
}

// newExchange begins an exchange with a command of the client.
func newExchange(s *state, method string, p packet) *exchange {
	return &exchange{Exchange: &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindRequest, From: decode.Client, Method: method,
		Started: p.at, Ended: p.end, Request: decode.Message{Bytes: p.size},
	}}
}

// sent counts a packet of the client.
func (x *exchange) sent(p packet) {
	x.Request.Bytes += p.size
	if x.Ended.Before(p.end) {
		x.Ended = p.end
	}
}

// got counts a packet of the server.
func (x *exchange) got(p packet) {
	if x.Answered.IsZero() {
		x.Answered = p.at
	}
	x.Response.Bytes += p.size
	if x.Ended.Before(p.end) {
		x.Ended = p.end
	}
}

// unknown notes what could not be had, once.
func (x *exchange) unknown(what string) {
	for _, u := range x.Unknown {
		if u == what {
			return
		}
	}
	x.Unknown = append(x.Unknown, what)
}

// use makes the exchange that of a statement.
func (x *exchange) use(s sqltext.Statement) {
	x.Method, x.Target, x.Group = s.Kind, s.Text, s.Group
}

// fail gives the exchange an error as its answer.
func (x *exchange) fail(e errorPacket) {
	x.Status, x.Code, x.Failed, x.complete = e.status(), e.code, true, true
}

// skip marks a statement that the server does not execute.
func (x *exchange) skip() {
	x.Status, x.complete = "not executed: an earlier statement failed", true
}

// result returns where the rows go.
func (x *exchange) result(c *decode.Conn) *sqltext.Rows {
	if x.rows == nil {
		x.rows = sqltext.NewRows(c.Limits.Body, c.Secrets)
	}
	return x.rows
}

// describe begins a result with its columns.
func (x *exchange) describe(columns []column, c *decode.Conn) {
	x.columns = columns
	names, own := make([]string, len(columns)), make([]string, len(columns))
	for i := range columns {
		names[i], own[i] = columns[i].name, columns[i].own
	}
	rows := x.result(c)
	rows.Columns(names)
	rows.Mask(own)
}

// emit completes the exchange and hands it over.
func (x *exchange) emit(s *state) {
	if x.emitted {
		return
	}
	x.emitted = true
	x.Response.Incomplete = !x.complete && x.Kind == decode.KindRequest
	add := func(name, value string) {
		if value != "" {
			x.Add(name, value)
		}
	}
	switch {
	case x.prepared != nil && x.prepared.known:
		add("statement", strconv.FormatUint(uint64(x.prepared.id), 10))
	case x.number > 0:
		add("statement", strconv.FormatUint(uint64(x.number), 10))
	}
	x.Details = append(x.Details, x.parameters...)
	if x.rows != nil {
		x.rows.Fill(&x.Response)
		add("rows", strconv.FormatInt(x.rows.Len(), 10))
	}
	add("affected", x.affected)
	add("insert id", x.insertID)
	add("info", x.info)
	if x.results > 1 {
		add("results", strconv.Itoa(x.results))
	}
	if x.warnings > 0 {
		add("warnings", strconv.Itoa(x.warnings))
	}
	if x.infile != nil {
		x.infile.Fill(&x.Request)
		add("sent", fmt.Sprintf("%d bytes", x.infile.Len()))
	}
	if x.events != nil {
		x.events.Fill(&x.Response)
		add("events", strconv.Itoa(x.eventCount))
	}
	x.Details = append(x.Details, x.details...)
	add("database", s.database)
	add("user", s.user)
	if x.inTransaction {
		add("transaction", "open")
	}
	x.Details = append(x.Details, x.ok...)
	s.conn.Emit(x.Exchange)
}
