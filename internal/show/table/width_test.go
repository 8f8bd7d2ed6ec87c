package table

import (
	"strings"
	"testing"
)

// The widths that terminals agree on: https://www.unicode.org/reports/tr11/ and, for
// emoji sequences, https://www.unicode.org/reports/tr51/.
func TestWidth(t *testing.T) {
	for s, want := range map[string]int{
		"":                       0,
		"ascii 123":              9,
		"ünï":                    3,
		"e\u0301":                1, // combining
		"z\u0301\u0302\u0303":    1,
		"日本語":                    6, // wide
		"한국":                     4,
		"\u1112\u1161\u11ab":     2, // conjoining jamo: one syllable
		"Ｆｕｌｌ":                   8, // fullwidth
		"ｶﾅ":                     2, // halfwidth
		"→ … ± §":                7, // ambiguous
		"│─┼":                    3,
		"α":                      1,
		"😀":                      2,
		"👍🏽":                     2, // with a modifier
		"👩\u200d👩\u200d👧\u200d👦": 2, // joined
		"🏳\ufe0f\u200d🌈":         2,
		"🇩🇪":                     2, // two regional indicators
		"❤":                      1, // text presentation
		"❤\ufe0f":                2, // emoji presentation
		"नि":                     1,
	} {
		if got := Width(s); got != want {
			t.Errorf("%+q: %d, want %d", s, got, want)
		}
		if got := WidthBytes([]byte(s)); got != want {
			t.Errorf("%+q as bytes: %d, want %d", s, got, want)
		}
	}
}

// A table asks for the width of every cell.
func TestWidthNeedsNoMemory(t *testing.T) {
	b := []byte("→ 127.0.0.1:5432 日本")
	if n := testing.AllocsPerRun(100, func() { WidthBytes(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		s     string
		w     int
		want  string
		right string
		ascii string
	}{
		{"abc", 0, "", "", ""},
		{"abc", 1, "…", "…", "~"},
		{"abc", 3, "abc", "abc", "abc"},
		{"abc", 5, "abc  ", "  abc", "abc  "},
		{"abcdef", 4, "abc…", "abc…", "abc~"},
		{"日本語", 4, "日… ", " 日…", "日~ "}, // no half of a character
		{"日本語", 5, "日本…", "日本…", "日本~"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…", "e\u0301…", "e\u0301~"},
		{"a👩\u200d👩\u200d👧z", 3, "a… ", " a…", "a~ "},
	} {
		if got := Fit(c.s, c.w, false, false); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.s, c.w, got, c.want)
		}
		if got := Fit(c.s, c.w, true, false); got != c.right {
			t.Errorf("%q in %d on the right: %q, want %q", c.s, c.w, got, c.right)
		}
		if got := Fit(c.s, c.w, false, true); got != c.ascii {
			t.Errorf("%q in %d in ASCII: %q, want %q", c.s, c.w, got, c.ascii)
		}
		if b, n := cutBytes([]byte("> "+c.s), 2, c.w); Width(c.s) > c.w && (strings.TrimRight(c.want, " ") != string(b[2:]) || n != WidthBytes(b[2:])) {
			t.Errorf("%q in %d: %q, %d", c.s, c.w, b, n)
		}
	}
}

func TestCutFront(t *testing.T) {
	for _, c := range []struct {
		s    string
		w    int
		want string
	}{
		{"127.0.0.1:3000", 14, "127.0.0.1:3000"}, {"127.0.0.1:3000", 6, "…:3000"}, {"abc", 1, "…"}, {"abc", 0, ""}, {"日本語", 4, "…語"}, {"日本語", 5, "…本語"},
	} {
		if got := CutFront(c.s, c.w, false); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.s, c.w, got, c.want)
		}
	}
	if got := CutFront("abcdef", 3, true); got != "~ef" {
		t.Errorf("in ASCII: %q", got)
	}
}

func FuzzWidths(f *testing.F) {
	f.Add("日本語\u0301\u0301\u0301\u0301", uint8(3))
	f.Add("  indent and a-hyphen-here 👩\u200d👩\u200d👧", uint8(9))
	f.Fuzz(func(t *testing.T, s string, width uint8) {
		w := int(width)
		for _, right := range []bool{false, true} {
			if got := Fit(s, w, right, false); Width(got) != w {
				t.Fatalf("%q made %d wide is %q, %d", s, w, got, Width(got))
			}
		}
		if got := CutFront(s, w, false); Width(got) > w {
			t.Fatalf("%q cut in front to %d is %q", s, w, got)
		}
		if b, n := cutBytes([]byte(s), 0, w); n > w || n != WidthBytes(b) {
			t.Fatalf("%q cut to %d is %q, %d", s, w, b, n)
		}
		if w < 3 {
			return
		}
		text := ""
		for _, p := range Wrap(s, w) {
			if Width(p) > w {
				t.Fatalf("%q wrapped at %d has %q", s, w, p)
			}
			text += p
		}
		if strings.ReplaceAll(text, " ", "") != strings.ReplaceAll(s, " ", "") {
			t.Fatalf("%q wrapped at %d is %q", s, w, text)
		}
	})
}
