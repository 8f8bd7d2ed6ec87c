package table

import (
	"slices"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		s    string
		w    int
		want []string
	}{
		{"short", 10, []string{"short"}},
		{"short", 0, []string{"short"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"one two", 3, []string{"one", "two"}},
		{"  keeps the indent", 10, []string{"  keeps", "  the", "  indent"}},
		{"        deep indent", 8, []string{"deep", "indent"}},
		{"at-a-hyphen here", 7, []string{"at-a-", "hyphen", "here"}},
		{"averylongword", 5, []string{"avery", "longw", "ord"}},
		{"日本語日本語", 5, []string{"日本", "語日", "本語"}},
		{"two  blanks", 5, []string{"two", "blank", "s"}},
	} {
		if got := Wrap(c.s, c.w); !slices.Equal(got, c.want) {
			t.Errorf("%q at %d: %q, want %q", c.s, c.w, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text, indent string
		width        int
		want         string
	}{
		{"one two three", "  ", 0, "  one two three"},
		{"one two three four five six", "", 24, "one two three four five\nsix"},
		{"one two three four five six", "  ", 24, "  one two three four\n  five six"},
		{"averylongwordthatdoesnotfitinanyline x", "", 24, "averylongwordthatdoesnotfitinanyline\nx"},
		{"", "", 24, ""},
	} {
		if got := Words(c.text, c.width, c.indent); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	const s = "the address  127.0.0.1:3000 is taken by node (pid 1)"
	for _, c := range []struct {
		w            int
		indent, want string
	}{
		{0, "", s},
		{19, "", s},
		{24, "", "the address\n127.0.0.1:3000 is taken\nby node (pid 1)"},
		{30, "    ", "    the address 127.0.0.1:3000\n    is taken by node (pid 1)"},
	} {
		if got := Words(s, c.w, c.indent); got != c.want {
			t.Errorf("at %d: %q, want %q", c.w, got, c.want)
		}
	}
	if got, want := Words("日本語 日本語 日本語 日本語", 20, ""), "日本語 日本語 日本語\n日本語"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
