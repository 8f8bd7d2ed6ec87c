package table

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"pgregory.net/rapid"

	"lodge/internal/show"
)

type row struct{ name, text string }

var rows = []row{{"node", "short"}, {"日本語", "a longer text"}, {"e\u0301", ""}, {"👩\u200d👧", "end"}}

func print(t *testing.T, change func(*Table[row])) string {
	t.Helper()
	tab := &Table[row]{Header: true, Columns: []Column[row]{
		{Title: "NAME", Cell: func(b []byte, e *row) []byte { return append(b, e.name...) }},
		{Title: "SPARE", Cell: func(b []byte, e *row) []byte { return append(b, "spare"...) }, Drop: 1},
		{Title: "TEXT", Cell: func(b []byte, e *row) []byte { return append(b, e.text...) }, Least: 5,
			Paint: func(e *row) show.SGR {
				if e.text == "end" {
					return show.Red
				}
				return ""
			}},
	}}
	change(tab)
	var out bytes.Buffer
	if err := tab.Print(&out, len(rows), func(i int) *row { return &rows[i] }); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Table[row])
		want   string
	}{
		{"no terminal", func(*Table[row]) {}, "" +
			"NAME    SPARE  TEXT\n" +
			"node    spare  short\n" +
			"日本語  spare  a longer text\n" +
			"e\u0301       spare\n" +
			"👩\u200d👧      spare  end\n"},
		{"a column gives way", func(t *Table[row]) { t.Width, t.Header = 22, false }, "" +
			"node    spare  short\n" +
			"日本語  spare  a long…\n" +
			"e\u0301       spare\n" +
			"👩\u200d👧      spare  end\n"},
		{"a column is left out", func(t *Table[row]) { t.Width, t.Header = 18, false }, "" +
			"node    short\n" +
			"日本語  a longer …\n" +
			"e\u0301\n" +
			"👩\u200d👧      end\n"},
		{"lines are cut", func(t *Table[row]) { t.Width, t.Header = 7, false }, "" +
			"node\n" +
			"日本語\n" +
			"e\u0301\n" +
			"👩\u200d👧\n"},
		{"colour", func(t *Table[row]) { t.Color = true; t.Columns = t.Columns[2:] }, "" +
			"\x1b[2mTEXT\x1b[0m\nshort\na longer text\n\n\x1b[31mend\x1b[0m\n"},
	} {
		if got := print(t, c.change); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// Where all characters take one column, Tabs writes what text/tabwriter does.
func TestTabsAreThoseOfTabwriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`[a-z ü→]{0,6}`)
		lines := rapid.SliceOfN(rapid.SliceOfN(cell, 1, 4), 0, 6).Draw(t, "lines")
		right := rapid.Bool().Draw(t, "right")
		var got, want bytes.Buffer
		a, flags := NewTabs(&got), uint(0)
		if right {
			a, flags = NewTabsRight(&got), tabwriter.AlignRight
		}
		b := tabwriter.NewWriter(&want, 0, 0, Gap, ' ', flags)
		for _, l := range lines {
			fmt.Fprintln(a, strings.Join(l, "\t"))
			fmt.Fprintln(b, strings.Join(l, "\t"))
		}
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Fatalf("\n%q\nwant\n%q", got.String(), want.String())
		}
	})
}

func TestTabsOfWideText(t *testing.T) {
	var out bytes.Buffer
	w := NewTabs(&out)
	fmt.Fprint(w, "日本\tx\nabc\ty\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "日本  x\nabc   y\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
