package postgresql

import (
	"fmt"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// exchange is an exchange that is being put together.
type exchange struct {
	*decode.Exchange
	open    int  // entries of the queue that belong to it
	closed  bool // the client adds no more to it
	emitted bool

	has      string // the kinds of messages that led to it
	stmt     *statement
	portal   *portal
	maxRows  int32
	answered string // by what the last of its messages before an Execute was
	complete bool   // a statement's end was seen
	part     sqltext.Part

	columns  []column
	rows     *sqltext.Rows
	affected string
	tagRows  string
	copied   *copied
	details  []decode.Field // of an error
	notices  notices
	begun    bool // it was emitted as one that goes on
	ready    byte // the state of the transaction, where a ReadyForQuery ended it
}

// copied is the data of a COPY.
type copied struct {
	method          string // "in", "out", "both"
	binary          bool
	in, out         *decode.Body
	inCount, outNum int64
}

// newExchange begins an exchange of the client.
func newExchange(s *state, method string, m message) *exchange {
	x := answerOnly(s, method)
	x.Started = m.at
	return x
}

// answerOnly begins an exchange whose request was not seen.
func answerOnly(s *state, method string) *exchange {
	return &exchange{Exchange: &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindRequest, From: decode.Client, Method: method,
	}}
}

// sent counts a message of the client.
func (x *exchange) sent(m message) {
	x.Request.Bytes += m.size
	if x.Ended.Before(m.end) {
		x.Ended = m.end
	}
}

// got counts a message of the server.
func (x *exchange) got(m message) {
	if x.Answered.IsZero() {
		x.Answered = m.at
	}
	x.Response.Bytes += m.size
	if x.Ended.Before(m.end) {
		x.Ended = m.end
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

// statement makes the exchange that of a statement.
func (x *exchange) statement(s sqltext.Statement) {
	x.Method, x.Target, x.Group = s.Kind, s.Text, s.Group
}

// fail gives the exchange an error as its answer.
func (x *exchange) fail(f errorFields) {
	x.Status, x.Failed, x.complete = f.status(), true, true
	x.details = append(x.details, f.details()...)
}

// skip marks a statement that the server does not execute.
func (x *exchange) skip() {
	if x.complete {
		return
	}
	x.Status, x.complete = "not executed: an earlier statement failed", true
}

// tag reads the tag of a CommandComplete.
func (x *exchange) tag(tag string) {
	x.Status, x.complete = tag, true
	words := strings.Fields(tag)
	if len(words) < 2 {
		return
	}
	count := words[len(words)-1]
	if _, err := strconv.ParseUint(count, 10, 64); err != nil {
		return
	}
	switch words[0] {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "COPY":
		x.affected = count
	default:
		x.tagRows = count
	}
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
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	x.result(c).Columns(names)
}

// emit completes the exchange and hands it over. The end of its response was
// seen where whole is set.
func (x *exchange) emit(s *state, whole bool) {
	if x.emitted {
		return
	}
	x.emitted = true
	if x.Status == "" {
		x.Status = x.answered
	}
	x.Response.Incomplete = !whole && !(x.complete && x.Failed) // after a fatal error nothing follows
	if x.rows != nil {
		x.rows.Fill(&x.Response)
	}
	add := func(name, value string) {
		if value != "" {
			x.Add(name, value)
		}
	}
	if x.stmt != nil {
		add("statement", x.stmt.name)
	}
	if x.portal != nil {
		add("portal", x.portal.name)
		x.Details = append(x.Details, x.portal.parameters...)
	}
	if x.maxRows > 0 {
		add("max rows", strconv.Itoa(int(x.maxRows)))
	}
	switch {
	case x.tagRows != "":
		add("rows", x.tagRows)
	case x.rows != nil:
		add("rows", strconv.FormatInt(x.rows.Len(), 10))
	}
	add("affected", x.affected)
	if x.copied != nil {
		x.copied.fill(x.Exchange, s.conn.Secrets)
	}
	add("database", s.database)
	add("user", s.user)
	switch x.ready {
	case 'T':
		add("transaction", "open")
	case 'E':
		add("transaction", "failed")
	}
	x.Details = append(x.Details, x.details...)
	x.Details = append(x.Details, x.notices.fields()...)
	s.conn.Emit(x.Exchange)
}

// fill writes what was copied into an exchange.
func (c *copied) fill(e *decode.Exchange, secrets bool) {
	if c.method != "" {
		format := "text"
		if c.binary {
			format = "binary"
		}
		e.Add("copy", c.method+", "+format)
	}
	if c.in != nil {
		c.in.Fill(&e.Request)
		c.mask(e, &e.Request, secrets)
		e.Add("copied in", fmt.Sprintf("%d bytes in %d messages", c.in.Len(), c.inCount))
	}
	if c.out != nil {
		c.out.Fill(&e.Response)
		c.mask(e, &e.Response, secrets)
		e.Add("copied out", fmt.Sprintf("%d bytes in %d messages", c.out.Len(), c.outNum))
	}
}

// mask masks columns with secrets in what was copied as text.
func (c *copied) mask(e *decode.Exchange, m *decode.Message, secrets bool) {
	if !secrets && !c.binary {
		m.Body = sqltext.MaskCopy(e.Target, m.Body)
	}
}
