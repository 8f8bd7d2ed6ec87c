package postgresql

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// errorFields are those of an ErrorResponse or a NoticeResponse:
// https://www.postgresql.org/docs/current/protocol-error-fields.html
type errorFields struct {
	severity, code, message, detail, hint string
	position                              int // in characters, from 1; 0 is none
}

func readFields(b []byte) errorFields {
	var f errorFields
	r := reader{b: b}
	for {
		kind := r.byte()
		if kind == 0 {
			return f
		}
		value := r.text()
		switch kind {
		case 'S':
			if f.severity == "" {
				f.severity = value
			}
		case 'V':
			f.severity = value // the same, and never translated
		case 'C':
			f.code = value
		case 'M':
			f.message = value
		case 'D':
			f.detail = value
		case 'H':
			f.hint = value
		case 'P':
			f.position, _ = strconv.Atoi(value)
		}
	}
}

func (f errorFields) status() string {
	if f.code == "" {
		return f.message
	}
	return f.code + " " + f.message
}

// String is a notice as one line.
func (f errorFields) String() string { return f.severity + " " + f.status() }

// details are the fields that the status does not have.
func (f errorFields) details() []decode.Field {
	var all []decode.Field
	add := func(name, value string) {
		if value != "" {
			all = append(all, decode.Field{Name: name, Value: value})
		}
	}
	if f.severity != "ERROR" {
		add("severity", f.severity)
	}
	add("detail", f.detail)
	add("hint", f.hint)
	if f.position > 0 {
		add("position", strconv.Itoa(f.position))
	}
	return all
}

// notices are those of one exchange, of which the first ones are kept.
type notices struct {
	kept []string
	more int
}

const maxNotices = 32

func (n *notices) add(text string) {
	if len(n.kept) >= maxNotices {
		n.more++
		return
	}
	n.kept = append(n.kept, sqltext.Value([]byte(text), int64(len(text))))
}

func (n *notices) fields() []decode.Field {
	var all []decode.Field
	for _, text := range n.kept {
		all = append(all, decode.Field{Name: "notice", Value: text})
	}
	if n.more > 0 {
		all = append(all, decode.Field{Name: "notice", Value: fmt.Sprintf("and %d more", n.more)})
	}
	return all
}
