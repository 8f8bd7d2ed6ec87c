package postgresql

import (
	"fmt"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// statement is a prepared statement.
type statement struct {
	name string
	sqltext.Statement
	parameters []uint32 // the types of the parameters, 0 where one is not known
	columns    []column // nil where they were not described
	cut        bool     // its text is longer than what is held of a message
}

func (s *statement) weight() int64 { return int64(len(s.Text)+len(s.Group)) + 64 }

// parameter returns the type of a parameter, from 0.
func (s *statement) parameter(i int) uint32 {
	if s == nil || i >= len(s.parameters) {
		return 0
	}
	return s.parameters[i]
}

// portal is a statement with its parameters bound.
type portal struct {
	name       string
	stmt       *statement // nil where it was not seen
	stmtName   string
	parameters []decode.Field
	formats    []int    // of the columns of the result
	columns    []column // nil where they were not described
	size       int64
	cut        bool
	executed   bool
}

// column is one column of a result.
type column struct {
	name   string
	kind   uint32 // the object identifier of its type
	binary bool
}

// readColumns reads a RowDescription.
func readColumns(b []byte) []column {
	r := reader{b: b}
	n := r.int16()
	columns := make([]column, 0, min(n, len(b)/19+1))
	for ; n > 0 && !r.bad; n-- {
		c := column{name: r.text()}
		r.take(6) // the table, and the column in it
		c.kind = uint32(r.int32())
		r.take(6) // the size of the type, and its modifier
		c.binary = r.int16() == 1
		if !r.bad {
			columns = append(columns, c)
		}
	}
	return columns
}

// readPortal reads a Bind.
func readPortal(s *state, m message) *portal {
	r := reader{b: m.body}
	p := &portal{name: r.text(), stmtName: r.text(), size: m.size, cut: !m.whole}
	p.stmt, _ = s.statements.Get(p.stmtName)
	formats := make([]int, 0, 4)
	for n := r.int16(); n > 0 && !r.bad; n-- {
		formats = append(formats, r.int16())
	}
	n := r.int16()
	for i := 0; i < n && !r.bad; i++ {
		name, size := fmt.Sprintf("$%d", i+1), int64(r.int32())
		if r.bad {
			break
		}
		if size < 0 {
			p.parameters = append(p.parameters, decode.Field{Name: name, Value: "NULL"})
			continue
		}
		value := r.take(min(int(size), len(r.b)))
		text := ""
		switch {
		case p.stmt != nil && p.stmt.IsSecret(i+1):
			text = decode.Masked
		case format(formats, i) == 0:
			text = sqltext.Value(value, size)
		case int64(len(value)) < size:
			text = sqltext.Hex(value, size)
		default:
			v := appendBinary(nil, p.stmt.parameter(i), value)
			text = sqltext.Value(v, int64(len(v)))
		}
		p.parameters = append(p.parameters, decode.Field{Name: name, Value: text})
		if int64(len(value)) < size {
			break
		}
	}
	for n := r.int16(); n > 0 && !r.bad; n-- {
		p.formats = append(p.formats, r.int16())
	}
	return p
}

// format returns the format of a value in a list of formats: none is text, one
// is that of all.
func format(formats []int, i int) int {
	switch {
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return 0
}

// use makes an exchange that of a portal.
func (x *exchange) use(s *state, p *portal) {
	x.portal = p
	if p.cut {
		x.unknown("parameters: the message is longer than what is held of one")
	}
	if p.stmt != nil {
		x.stmt = p.stmt
		x.statement(p.stmt.Statement)
		if p.stmt.cut {
			x.unknown("the end of its text: it is longer than what is held of a message")
		}
		return
	}
	x.stmt = &statement{name: p.stmtName}
	x.unseen(s, "statement", p.stmtName, "prepared")
}

// unseen notes that an exchange depends on what was not seen.
func (x *exchange) unseen(s *state, what, name, how string) {
	if name == "" {
		name = "its " + what
	} else {
		name = fmt.Sprintf("its %s %q", what, name)
	}
	if s.conn.Midstream && !s.lost {
		x.unknown(name + " was " + how + " before the recording began")
	} else {
		x.unknown(name + " was not seen being " + how)
	}
}

// resultColumns returns the columns of a portal's result, as its Bind asked for
// them; nil where they were not described.
func (p *portal) resultColumns() []column {
	if p.columns != nil || p.stmt == nil || p.stmt.columns == nil {
		return p.columns
	}
	columns := append([]column{}, p.stmt.columns...)
	for i := range columns {
		columns[i].binary = format(p.formats, i) == 1
	}
	return columns
}
