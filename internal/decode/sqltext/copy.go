package sqltext

import (
	"bytes"
	"slices"
	"strings"

	"lodge/internal/decode"
)

// MaskCopy masks the values of columns with names of secrets in the rows that COPY of
// PostgreSQL copies as text or CSV. statement is the COPY; where it does not list its
// columns, they are not known.
func MaskCopy(statement string, rows []byte) []byte {
	columns, delimiter := copyColumns(statement)
	if !slices.Contains(columns, true) {
		return rows
	}
	out := make([]byte, 0, len(rows))
	quoted, column, begin := false, 0, 0
	for i := 0; i <= len(rows); i++ {
		end := i == len(rows)
		switch {
		case !end && rows[i] == '"' && delimiter == ',':
			quoted = !quoted
			continue
		case !end && rows[i] == '\\' && delimiter != ',':
			i++
			continue
		case !end && (quoted || rows[i] != delimiter && rows[i] != '\n'):
			continue
		}
		i = min(i, len(rows))
		value := rows[begin:i]
		if column < len(columns) && columns[column] && len(bytes.TrimRight(value, "\r")) > 0 && string(value) != `\N` {
			out = append(out, decode.Masked...)
		} else {
			out = append(out, value...)
		}
		if i < len(rows) {
			out = append(out, rows[i])
			if column++; rows[i] == '\n' {
				column = 0
			}
		}
		begin = i + 1
	}
	return out
}

// copyColumns returns which columns of a COPY are secrets, and what is between them.
func copyColumns(statement string) (columns []bool, delimiter byte) {
	delimiter = '\t'
	l := lexer{d: PostgreSQL, s: statement}
	var n insert
	words, delimiting := 0, false
	for {
		t, ok := l.next()
		if !ok {
			return n.columns, delimiter
		}
		text := t.text(l.s)
		switch {
		case t.kind == str && delimiting:
			if s := strings.Trim(text, "eE'"); len(s) == 1 {
				delimiter = s[0]
			}
			delimiting = false
		case t.kind == word && n.phase != inList:
			switch words++; strings.ToUpper(text) {
			case "COPY":
				n.phase = beforeList
			case "FROM", "TO":
				n.phase = noInsert
			case "CSV":
				delimiter = ','
			case "DELIMITER":
				delimiting = true
			}
		case words == 1 && text == "(": // of a query
			return nil, delimiter
		case n.phase != noInsert:
			depth := 0
			if n.phase == inList {
				depth = 1
			}
			if t.kind == op {
				n.sign(depth, text)
			} else {
				n.token(&masker{}, t, text)
			}
		}
	}
}
