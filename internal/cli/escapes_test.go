package cli

import (
	"bytes"
	"strings"
	"testing"

	"lodge/internal/logs"
)

func TestCleaned(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain\ttext, größer 日本", "plain\ttext, größer 日本"},
		{"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"},
		{"\x1b[1;38;5;208mbright", "\x1b[1;38;5;208mbright\x1b[0m"},
		{"\x1b[38:2::1:2:3mx\x1b[my", "\x1b[38:2::1:2:3mx\x1b[my"},
		{"a\x1b]52;c;ZXZpbA==\x07b", "ab"},                       // clipboard
		{"a\x1b]0;title\x1b\\b", "ab"},                           // title
		{"a\x1b[2J\x1b[3J\x1b[Hb\x1bc", "ab"},                    // clear, reset
		{"a\x1b[?1049h\x1b[?25lb", "ab"},                         // another screen, no cursor
		{"a\x1b[>4;1mb", "ab"},                                   // xterm's modifyOtherKeys
		{"a\x1b(0b\x1b#8c\x1b=d", "abcd"},                        // character sets and their like
		{"a\u009b31mb\u009d52;c;x\u009cc", "a\x1b[31mbc\x1b[0m"}, // C1, in UTF-8
		{"a\x9b2Jb\xe9", "a2Jb\xe9"},                             // no UTF-8
		{"a\x1b]52;c;never ended", "a"},
		{"a\x1bPq#0;2\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d", "abcd"},
		{"a\x1b]2;x\x1b[31mb", "a\x1b[31mb\x1b[0m"}, // a string given up for a sequence
		{"bell\x07 back\x08 null\x00 del\x7f cr\rx", "bell back null del crx"},
		{"a\x1b[" + strings.Repeat("1;", 500) + "mb", "ab"}, // too long
		{"\x1b", ""},
		{"\x1b[", ""},
		{"", ""},
	} {
		if got := cleaned(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzCleaned(f *testing.F) {
	f.Add("a\x1b]52;c;ZXZpbA==\x07b\x1b[31m")
	f.Add("\u009b2J\x9b\x1b\x1b[m")
	f.Fuzz(func(t *testing.T, in string) {
		out := cleaned(in)
		if again := cleaned(out); again != out {
			t.Errorf("%q becomes %q, and that %q", in, out, again)
		}
		for rest := out; ; {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			i := strings.IndexFunc(after, func(r rune) bool { return !strings.ContainsRune("[0123456789;:", r) })
			if i < 1 || after[i] != 'm' {
				t.Fatalf("%q becomes %q", in, out)
			}
			rest = after
		}
	})
}

// TestPiecesOfALine: a sequence may be cut in two where the line is.
func TestPiecesOfALine(t *testing.T) {
	var out bytes.Buffer
	p := &linePrinter{out: &out, width: 3, heads: map[string]string{}, state: map[string]*escapes{}}
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
		if err := p.print(l); err != nil {
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
