package mysql

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// statement is a prepared statement.
type statement struct {
	sqltext.Statement
	id         uint32
	known      bool // the server has answered, and given it its number
	parameters int
	columns    []column
	types      []valueType // of the last execution's parameters
	cut        bool
	long       map[int]*longValue
}

// longValue is a parameter that was sent before the execution, in pieces.
type longValue struct {
	begin []byte
	size  int64
}

func (s *statement) weight() int64 { return int64(len(s.Text)+len(s.Group)) + 64 }

func (c client) prepare(p packet) {
	stmt := &statement{cut: !p.whole()}
	stmt.Statement = sqltext.Read(sqltext.MySQL, string(p.body[1:]), c.conn.Secrets)
	x := newExchange(c.state, "prepare", p)
	x.Target, x.Group = stmt.Text, "prepare "+stmt.Group
	if stmt.cut {
		x.unknown("the end of its text: it is longer than what is held of a packet")
	}
	c.state.prepared = stmt
	c.push(&command{code: comPrepare, x: x, stmt: stmt, size: p.size})
}

// lastPrepared stands for the statement that was prepared last.
const lastPrepared = 1<<32 - 1

// onStatement makes a command one on a prepared statement.
func (c client) onStatement(cmd *command, id uint32) {
	stmt, ok := c.statements.Get(id)
	if id == lastPrepared && c.prepared != nil {
		stmt, ok = c.prepared, true
	}
	x := cmd.x
	if !ok {
		x.number = id
		how := "was not seen being prepared"
		switch {
		case c.lost:
		case c.conn.Midstream:
			how = "was prepared before the recording began"
		case c.cleared:
			how = "ended when the connection was reset, or its user changed"
		}
		x.unknown(fmt.Sprintf("its statement %d %s", id, how))
		return
	}
	cmd.stmt, x.prepared = stmt, stmt
	if stmt.cut {
		x.unknown("the end of its text: it is longer than what is held of a packet")
	}
	if x.Method == "" {
		x.use(stmt.Statement)
		return
	}
	x.Target, x.Group = stmt.Text, x.Method+" "+stmt.Group
	if cmd.code == comReset {
		stmt.long = nil
	}
}

// longData handles a piece of a parameter.
func (c client) longData(p packet) {
	r := reader{b: p.body[1:]}
	stmt, ok := c.statements.Get(r.uint32())
	n := int(r.uint16())
	if r.bad {
		return
	}
	if !ok {
		c.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Client, Reason: decode.LostState, Bytes: p.size})
		return
	}
	if stmt.long == nil {
		stmt.long = map[int]*longValue{}
	}
	v := stmt.long[n]
	if v == nil {
		if len(stmt.long) >= maxLong {
			c.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Client, Reason: decode.LostTooLong, Bytes: p.size})
			return
		}
		v = &longValue{}
		stmt.long[n] = v
	}
	v.size += p.payload - 7
	if room := maxBegin - len(v.begin); room > 0 {
		v.begin = append(v.begin, r.b[:min(room, len(r.b))]...)
	}
}

const (
	maxLong  = 64   // parameters of a statement that are sent in pieces
	maxBegin = 4096 // bytes that are kept of each
)

// execute handles COM_STMT_EXECUTE and MariaDB's COM_STMT_BULK_EXECUTE.
func (c client) execute(p packet) {
	code := p.body[0]
	r := reader{b: p.body[1:]}
	x := newExchange(c.state, "", p)
	cmd := &command{code: code, x: x, binary: true, size: p.size}
	c.onStatement(cmd, r.uint32())
	switch {
	case code == comBulkExecute:
		c.bulk(cmd, &r)
	default:
		flags := r.uint8()
		r.uint32() // iterations: 1
		c.bind(cmd, &r, flags)
	}
	if !p.whole() {
		x.unknown("parameters: the packet is longer than what is held of one")
	}
	c.push(cmd)
}

// bind reads the parameters of an execution:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html
func (c client) bind(cmd *command, r *reader, flags byte) {
	named := c.capsKnown && c.caps&capQueryAttributes != 0 || !c.capsKnown && flags&8 != 0
	n := -1
	if cmd.stmt != nil && cmd.stmt.known {
		n = cmd.stmt.parameters
	}
	own := n
	if named && flags&8 != 0 {
		count, _ := r.length()
		if count > 1<<16 {
			return
		}
		n = int(count)
		if own < 0 {
			own = n
		}
	}
	switch {
	case n < 0:
		if len(r.b) > 0 {
			cmd.x.unknown("parameters: how many there are is not known")
		}
		return
	case n == 0:
		return
	}
	v := values{r: r, named: named}
	v.nulls = r.take((n + 7) / 8)
	switch r.uint8() {
	case 1:
		if !v.readTypes(n) {
			return
		}
		if cmd.stmt != nil {
			cmd.stmt.types = v.types
		}
	default:
		if cmd.stmt == nil || len(cmd.stmt.types) < n {
			cmd.x.unknown("parameters: their types were sent with an execution that was not seen")
			return
		}
		v.types = cmd.stmt.types
	}
	for i := 0; i < n && !r.bad; i++ {
		f := decode.Field{Name: fmt.Sprintf("$%d", i+1)}
		if i >= own {
			f.Name = "attribute " + v.name(i)
		}
		if cmd.stmt != nil && cmd.stmt.long[i] != nil && i < own {
			long := cmd.stmt.long[i]
			f.Value = sqltext.Value(long.begin, long.size)
		} else {
			f.Value = v.next(i)
		}
		if cmd.stmt != nil && cmd.stmt.IsSecret(i+1) && i < own {
			f.Value = decode.Masked
		}
		cmd.x.parameters = append(cmd.x.parameters, f)
	}
	if cmd.stmt != nil {
		cmd.stmt.long = nil
	}
}

// bulk reads the rows of parameters of a bulk execution; the first one is kept:
// https://mariadb.com/kb/en/com_stmt_bulk_execute/
func (c client) bulk(cmd *command, r *reader) {
	flags := r.uint16()
	if cmd.stmt == nil || !cmd.stmt.known {
		cmd.x.unknown("parameters: how many there are is not known")
		return
	}
	n := cmd.stmt.parameters
	v := values{r: r}
	if flags&128 != 0 {
		if !v.readTypes(n) {
			return
		}
		cmd.stmt.types = v.types
	} else if v.types = cmd.stmt.types; len(v.types) < n {
		cmd.x.unknown("parameters: their types were sent with an execution that was not seen")
		return
	}
	sets := 0
	for ; len(r.b) > 0 && !r.bad && n > 0; sets++ {
		for i := 0; i < n && !r.bad; i++ {
			text := ""
			switch r.uint8() {
			case 0:
				text = v.next(i)
			case 1:
				text = "NULL"
			case 2:
				text = "DEFAULT"
			default:
				text = "unchanged"
			}
			if cmd.stmt.IsSecret(i + 1) {
				text = decode.Masked
			}
			if sets == 0 {
				cmd.x.parameters = append(cmd.x.parameters, decode.Field{Name: fmt.Sprintf("$%d", i+1), Value: text})
			}
		}
	}
	cmd.x.details = append(cmd.x.details, decode.Field{Name: "sets of parameters", Value: strconv.Itoa(sets)})
}
