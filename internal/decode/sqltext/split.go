package sqltext

import "strings"

// Part is one statement of a text with several.
type Part struct {
	Text       string
	Start, End int // Text is text[Start:End]
}

// Split returns the statements of a text, without the semicolons between them;
// what is empty but for comments is left out. At most limit are returned, the
// last one with all that follows.
func Split(d Dialect, text string, limit int) []Part {
	s := splitter{lexer: lexer{d: d, s: text}}
	var parts []Part
	start, depth, any := 0, 0, false
	add := func(end int) {
		if any {
			a := start + leading(text[start:end])
			b := start + len(strings.TrimRight(text[start:end], " \t\r\n\f\v\x00"))
			parts = append(parts, Part{text[a:b], a, b})
		}
		start, depth, any = end+1, 0, false
		s.begin()
	}
	for {
		t, ok := s.next()
		if !ok {
			break
		}
		switch {
		case t.is(text, "("):
			depth++
		case t.is(text, ")"):
			depth--
		case t.is(text, ";") && depth <= 0 && !s.inBody() && len(parts) < limit-1:
			add(t.start)
			continue
		case t.is(text, ";") && !any:
			start = t.end
			continue
		case t.kind == word:
			s.word(strings.ToUpper(t.text(text)))
		}
		any = true
	}
	if start <= len(text) {
		end := len(text)
		if !s.inBody() {
			end = len(strings.TrimRight(text, "; \t\r\n\f\v\x00"))
		}
		add(max(end, start))
	}
	return parts
}

func leading(s string) int { return len(s) - len(strings.TrimLeft(s, " \t\r\n\f\v\x00")) }

// splitter knows in which statements a semicolon does not end the statement.
type splitter struct {
	lexer
	words  int
	first  string
	prev   string
	create bool // of a routine
	open   int  // BEGIN ATOMIC and CASE that have no END yet
	rest   bool // all that follows belongs to the statement
}

func (s *splitter) begin() {
	l := s.lexer
	*s = splitter{lexer: l}
}

func (s *splitter) inBody() bool { return s.rest || s.open > 0 }

func (s *splitter) word(w string) {
	s.words++
	if s.words == 1 {
		s.first = w
	}
	switch w {
	case "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE":
		s.create = s.create || s.first == "CREATE" && s.words < 12
	case "ATOMIC":
		if s.prev == "BEGIN" && s.create {
			s.open++
		}
	case "NOT":
		s.rest = s.rest || s.d == MySQL && s.words == 2 && s.first == "BEGIN"
	case "CASE":
		if s.open > 0 {
			s.open++
		}
	case "END":
		if s.open > 0 {
			s.open--
		}
	}
	if s.d == MySQL {
		switch w {
		case "BEGIN":
			s.rest = s.rest || s.create
		case "IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR":
			s.rest = s.rest || s.words == 1
		}
	}
	s.prev = w
}
