package mysql

import (
	"fmt"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// The commands:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html
const (
	comQuit            = 0x01
	comInitDB          = 0x02
	comQuery           = 0x03
	comFieldList       = 0x04
	comCreateDB        = 0x05
	comDropDB          = 0x06
	comStatistics      = 0x09
	comProcessInfo     = 0x0a
	comKill            = 0x0c
	comDebug           = 0x0d
	comPing            = 0x0e
	comChangeUser      = 0x11
	comBinlogDump      = 0x12
	comTableDump       = 0x13
	comPrepare         = 0x16
	comExecute         = 0x17
	comLongData        = 0x18
	comClose           = 0x19
	comReset           = 0x1a
	comSetOption       = 0x1b
	comFetch           = 0x1c
	comBinlogDumpGTID  = 0x1e
	comResetConnection = 0x1f
	comClone           = 0x20
	comBulkExecute     = 0xfa // MariaDB
)

// methodOf returns the method of a command that has no statement.
func methodOf(code byte) string {
	names := [...]string{
		0x02: "use", 0x04: "list fields", 0x05: "create database", 0x06: "drop database", 0x07: "refresh",
		0x08: "shutdown", 0x09: "statistics", 0x0a: "process info", 0x0c: "kill", 0x0d: "debug", 0x0e: "ping",
		0x12: "binlog dump", 0x13: "table dump", 0x15: "register replica", 0x16: "prepare", 0x19: "close",
		0x1a: "reset", 0x1b: "set option", 0x1c: "fetch", 0x1e: "binlog dump", 0x1f: "reset connection", 0x20: "clone",
	}
	if int(code) < len(names) && names[code] != "" {
		return names[code]
	}
	return fmt.Sprintf("command %d", code)
}

// client handles the packets of the client.
type client struct {
	*state
}

func (c client) packet(p packet) {
	switch {
	case c.phase == greeting:
		c.malformed()
	case c.phase == login:
		if !c.login(p) {
			c.malformed()
		}
	case c.infile != nil:
		c.file(p)
	case c.session != nil && c.session.change && p.seq != 0:
		c.session.sent(p)
		c.session.secret("authentication", p.body)
	case p.seq != 0 && !c.compressed || len(p.body) == 0:
		// Within compressed packets some clients count on (MariaDB's for Java); servers
		// look at the numbers of the compressed ones.
		c.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Client, Reason: decode.LostMalformed, Bytes: p.size})
	default:
		c.resume()
		c.command(p)
	}
}

// file handles a part of a file that the server asked for.
func (c client) file(p packet) {
	x := c.infile
	x.sent(p)
	if p.payload == 0 {
		c.state.infile = nil
		return
	}
	x.infile.Write(p.body)
	x.infile.Skip(p.payload - int64(len(p.body)))
}

func (c client) command(p packet) {
	code := p.body[0]
	arg := p.body[1:]
	switch code {
	case comQuit:
		return // it ends the connection, and has no answer
	case comQuery:
		c.query(p)
		return
	case comChangeUser:
		c.changeUser(p)
		return
	case comPrepare:
		c.prepare(p)
		return
	case comExecute, comBulkExecute:
		c.execute(p)
		return
	case comLongData:
		c.longData(p)
		return
	}
	x := newExchange(c.state, methodOf(code), p)
	cmd := &command{code: code, x: x, size: p.size}
	r := reader{b: arg}
	switch code {
	case comInitDB, comCreateDB, comDropDB:
		x.Target = string(arg)
	case comFieldList:
		x.Target = r.text()
	case comKill:
		x.Target = fmt.Sprintf("connection %d", r.uint32())
	case comBinlogDump:
		at := r.uint32()
		r.take(6)
		x.Target = fmt.Sprintf("%s:%d", r.rest(), at)
	case comTableDump:
		x.Target = string(r.sized()) + "." + string(r.sized())
	case comClose, comReset, comFetch:
		c.onStatement(cmd, r.uint32())
		if code == comFetch {
			x.details = append(x.details, decode.Field{Name: "max rows", Value: fmt.Sprint(r.uint32())})
			cmd.binary, cmd.step = true, rows
			if cmd.stmt != nil {
				x.describe(cmd.stmt.columns, c.conn)
			}
		}
	case comResetConnection:
		c.clear()
	case comSetOption:
		x.Target = fmt.Sprintf("option %d", r.uint16())
	}
	if code == comClose {
		x.Kind = decode.KindMessage // it is not answered
		x.emit(c.state)
		if cmd.stmt != nil {
			c.statements.Delete(cmd.stmt.id)
		}
		return
	}
	c.push(cmd)
}

// query begins the exchanges of a COM_QUERY.
func (c client) query(p packet) {
	r := reader{b: p.body[1:]}
	attributes := c.attributes(&r)
	text := strings.TrimSpace(string(r.rest()))
	parts := sqltext.Split(sqltext.MySQL, text, max(c.conn.Limits.Pending, 1))
	if len(parts) == 0 {
		parts = []sqltext.Part{{Text: text, End: len(text)}}
	}
	all := make([]*exchange, len(parts))
	for i, part := range parts {
		x := newExchange(c.state, "", p)
		x.use(sqltext.Read(sqltext.MySQL, part.Text, c.conn.Secrets))
		x.parameters = attributes
		if i > 0 {
			x.Request.Bytes = int64(len(part.Text))
			all[0].Request.Bytes -= x.Request.Bytes
		}
		all[i] = x
	}
	if !p.whole() {
		all[len(all)-1].unknown("the end of its text: it is longer than what is held of a packet")
	}
	c.push(&command{code: comQuery, x: all[0], rest: all[1:], size: p.size})
}

// attributes reads the attributes of a query, where it has them.
func (c client) attributes(r *reader) []decode.Field {
	if c.capsKnown && c.caps&capQueryAttributes == 0 {
		return nil
	}
	if !c.capsKnown && (len(r.b) < 2 || r.b[1] != 1) {
		return nil // no statement begins so
	}
	n, _ := r.length()
	r.length() // how many sets there are: 1
	if n == 0 || n > 1<<16 {
		return nil
	}
	v := values{r: r, named: true}
	v.nulls = r.take(int(n+7) / 8)
	if r.uint8() != 1 || !v.readTypes(int(n)) {
		return nil
	}
	var fields []decode.Field
	for i := range int(n) {
		fields = append(fields, decode.Field{Name: "attribute " + v.names[i], Value: v.next(i)})
	}
	return fields
}

func (c client) changeUser(p packet) {
	x := newSession(c.state)
	x.change = true
	x.x.Method = "change user"
	x.sent(p)
	r := reader{b: p.body[1:]}
	x.user = r.text()
	if c.capsKnown && c.caps&capSecure == 0 {
		x.secret("password", []byte(r.text()))
	} else {
		x.secret("password", r.take(int(r.uint8())))
	}
	x.database = r.text()
	if len(r.b) > 0 && !r.bad {
		r.uint16()
	}
	if len(r.b) > 0 && !r.bad {
		x.plugin = r.text()
	}
	if len(r.b) > 0 && !r.bad {
		x.attributes(readAttributes(&r))
	}
	c.session = x
	c.clear()
}
