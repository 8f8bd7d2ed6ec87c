package show

import (
	"strings"
	"testing"
)

func TestColored(t *testing.T) {
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
		if got := Colored(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzColored(f *testing.F) {
	f.Add("a\x1b]52;c;ZXZpbA==\x07b\x1b[31m")
	f.Add("\u009b2J\x9b\x1b\x1b[m")
	f.Fuzz(func(t *testing.T, in string) {
		out := Colored(in)
		if again := Colored(out); again != out {
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
