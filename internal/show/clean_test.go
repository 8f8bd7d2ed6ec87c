package show

import (
	"strings"
	"testing"
	"unicode"
)

func TestClean(t *testing.T) {
	for in, want := range map[string][2]string{
		"node":                            {"node", "node"},
		"":                                {"", ""},
		"a\x1b[31mred\x1b[0m":             {"a?[31mred?[0m", "a?[31mred?[0m"},
		"two\nlines\r\t\x00\x7f":          {"two?lines????", "two?lines????"},
		"c1\u009b31m\u0085":               {"c1?31m?", "c1?31m?"},
		"bad\xff\xfeutf8":                 {"bad??utf8", "bad??utf8"},
		"right\u202eleft\u200d\ufeff":     {"right?left??", "right?left??"},
		"日本":                              {"日本", "??"},
		"e\u0301":                         {"e\u0301", "e?"},
		"z" + strings.Repeat("\u0301", 9): {"z" + strings.Repeat("\u0301", 3), "z" + strings.Repeat("?", 9)},
		"\u0301x":                         {"?x", "?x"},
		"non\u00a0break\u3000wide":        {"non break wide", "non?break?wide"},
		"heart\u2764\ufe0f":               {"heart\u2764", "heart??"},
	} {
		for i, ascii := range []bool{false, true} {
			if got := Clean(in, ascii); got != want[i] {
				t.Errorf("%q, ascii %v: got %q, want %q", in, ascii, got, want[i])
			}
		}
	}
	if got := CleanLine("\x1b[1;32mINFO\x1b[0m\tready\x1b]0;title\x07\r\n", false); got != "INFO    ready" {
		t.Errorf("line: %q", got)
	}
}

func TestLegible(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"node\r\n":                  "node",
		"a\x1b[31mred":              `a\x1b[31mred`,
		"two\nlines\t\x00\x7f":      `two\nlines    \x00\x7f`,
		"c1\u009b31m":               `c1\u009b31m`,
		"bad\xff":                   `bad\xff`,
		"right\u202eleft\ufeff":     `right\u202eleft\ufeff`,
		"日本\u00a0x":                 "日本 x",
		"e\u0301":                   "e\u0301",
		"z\u0301\u0301\u0301\u0301": "z\u0301\u0301\u0301" + `\u0301`,
		"\u0301x":                   `\u0301x`,
		"heart\u2764\ufe0f":         "heart\u2764",
	} {
		if got := Legible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCleanLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"\x1b[1;31mred\x1b[0m text":      "red text",
		"tab\there":                      "tab    here",
		"bell\a, \x1b]0;title\aon":       "bell?, on",
		"cut off \x1b[31":                "cut off ",
		"\x1b[2K\x1b[1Gready in 5 ms":    "ready in 5 ms",
		"c1 \u009b31mred\u009d0;t\u009c": "c1 red",
		"bad\xff \x1b[1mbold":            "bad? bold",
	} {
		if got := CleanLine(in, false); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"größer\t日本":                         "größer\t日本",
		"\x1b[31mred\x1b[0m and \x1b[1mbold": "red and bold",
		"a\x1b]52;c;ZXZpbA==\x07b\x08\x7f":   "ab",
		"a\u009b2Jb\x1bPq\x1b\\c":            "abc",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAppendEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"node --port 1":             "node --port 1",
		"\x1b[31mred\n":             `\x1b[31mred\n`,
		"\u202eevil\a ünï 日本語 \xff": `\u202eevil\a ünï 日本語 \xff`,
		"@\x00hid\x7f\u009b":        `@\x00hid\x7f\u009b`,
		"\ufffd real":               "\ufffd real",
	} {
		if got := string(AppendEscaped([]byte("> "), in)); got != "> "+want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// isHarmless reports whether a terminal would only show s.
func isHarmless(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 {
			return false
		}
	}
	return true
}

func FuzzClean(f *testing.F) {
	f.Add("evil\x1b[2J\r\nname\u202e\u009b")
	f.Add("日本語\u0301\u0301\u0301\u0301\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, ascii := range []bool{false, true} {
			for _, c := range []string{Clean(s, ascii), CleanLine(s, ascii)} {
				if !isHarmless(c) {
					t.Fatalf("%q becomes %q", s, c)
				}
			}
		}
		if c := string(AppendEscaped(nil, s)); !isHarmless(c) {
			t.Fatalf("%q becomes %q", s, c)
		}
		if c := Plain(s); strings.ContainsFunc(c, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Fatalf("%q becomes %q", s, c)
		}
	})
}

func TestShort(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aäb", 2, "a…"}, {"aäb", 3, "aä…"}, {"ää", 1, "…"}, {"a\xff\xffb", 2, "a\xff…"}, {"", 0, ""}} {
		if got := Short(tt.in, tt.most); got != tt.want {
			t.Errorf("%q, %d: %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
}
