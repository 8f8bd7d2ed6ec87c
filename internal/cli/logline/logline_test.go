package logline

import (
	"bytes"
	"testing"

	"lodge/internal/logs"
	"lodge/internal/show"
)

// TestPiecesOfALine: a sequence may be cut in two where the line is.
func TestPiecesOfALine(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{out: &out, width: 3, heads: map[string]string{}, state: map[string]*show.Sequences{}}
	for _, l := range []logs.Line{
		{Service: "web", Text: "a\x1b]52;c;", Partial: true},
		{Service: "db", Text: "other\x1b[3"},
		{Service: "web", Text: "secret", Partial: true, Continuation: true},
		{Service: "web", Text: "secret\x07b", Continuation: true},
		{Service: "db", Text: "1mnew"},
		{Service: "web", Text: "c"},
		// What a prompt is given out of is not marked: nobody knows yet that more will come.
		{Service: "web", Text: "d\x1b]0;ti"},
		{Service: "web", Text: "note", Note: true},
		{Service: "web", Text: "tle\x07e\x1b", Continuation: true},
		{Service: "web", Text: "[31mred", Continuation: true},
	} {
		if err := p.Print(l); err != nil {
			t.Fatal(err)
		}
	}
	want := "web | a\ndb  | other\nweb | \nweb | b\ndb  | 1mnew\nweb | c\n" +
		"web | d\nweb | note\nweb | e\nweb | \x1b[31mred\x1b[0m\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if len(p.state) != 0 {
		t.Errorf("state is kept of %d lines that have ended", len(p.state))
	}
}
