package sqltext

import (
	"strings"

	"lodge/internal/decode/secret"
)

// insert follows an INSERT or a REPLACE: which of the columns that it lists have secrets,
// and of which column a value is.
type insert struct {
	phase   insertPhase
	depth   int // parentheses around the statement
	columns []bool
	column  int
	hidden  bool // the name that was read last is one of a secret
}

type insertPhase uint8

const (
	noInsert     insertPhase = iota
	beforeList               // INSERT was read
	inList                   // within the list of columns
	afterList                // VALUES or SELECT comes
	inValues                 // rows in parentheses
	inSelectList             // the columns of SELECT
)

// secret reports whether a constant is of a column that has secrets.
func (n *insert) secret(depth int) bool {
	switch n.phase {
	case inValues:
		return depth > n.depth && n.is()
	case inSelectList:
		return n.is()
	}
	return false
}

func (n *insert) is() bool { return n.column < len(n.columns) && n.columns[n.column] }

// maxColumns is how many columns are looked at.
const maxColumns = 4096

// token takes the next token, before the masker does.
func (n *insert) token(m *masker, t token, text string) {
	switch {
	case t.kind == op:
		n.sign(m.depth, text)
	case n.phase == inList:
		if t.kind == word && strings.EqualFold(text, "SELECT") {
			n.phase = noInsert
			return
		}
		n.hidden = secret.Name(text)
	case t.kind == word:
		n.word(m, strings.ToUpper(text))
	}
}

func (n *insert) word(m *masker, w string) {
	switch w {
	case "INSERT", "REPLACE":
		if w == "INSERT" || m.words == 0 {
			*n = insert{phase: beforeList, depth: m.depth, columns: n.columns[:0]}
		}
		return
	}
	if n.phase == noInsert || m.depth != n.depth {
		return
	}
	switch n.phase {
	case beforeList, afterList:
		switch w {
		case "VALUES", "VALUE":
			n.phase = inValues
		case "SELECT":
			n.phase, n.column = inSelectList, 0
		case "SET", "DEFAULT":
			n.phase = noInsert
		}
	default:
		switch w {
		case "ON", "RETURNING", "AS", "FROM", "WHERE", "UNION", "LIMIT", "ORDER":
			n.phase = noInsert
		}
	}
}

// sign takes an operator or a sign at a depth, that of what is before it.
func (n *insert) sign(depth int, text string) {
	if text == ")" && depth <= n.depth && n.phase != noInsert {
		n.phase = noInsert
		return
	}
	switch n.phase {
	case beforeList, afterList:
		if text == "(" && depth == n.depth {
			n.phase, n.columns, n.hidden = inList, n.columns[:0], false
		}
	case inList:
		if text == "," || text == ")" {
			if len(n.columns) < maxColumns {
				n.columns = append(n.columns, n.hidden)
			}
			n.hidden = false
		}
		if text == ")" {
			n.phase = afterList
		}
	case inValues:
		switch {
		case text == "(" && depth == n.depth:
			n.column = 0
		case text == "," && depth == n.depth+1:
			n.column++
		}
	case inSelectList:
		if text == "," && depth == n.depth {
			n.column++
		}
	}
}
