package show

import "testing"

func TestWantsColor(t *testing.T) {
	for _, c := range []struct {
		terminal      bool
		noColor, term string
		want          bool
	}{
		{true, "", "xterm", true},
		{true, "", "", true},
		{false, "", "xterm", false},
		{true, "1", "xterm", false},
		{true, "", "dumb", false},
	} {
		if got := WantsColor(c.terminal, c.noColor, c.term); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestPaint(t *testing.T) {
	for _, c := range []struct {
		code       SGR
		text, want string
	}{
		{BoldRed, "x", "\x1b[1;31mx\x1b[0m"}, {"", "x", "x"}, {Red, "", ""},
	} {
		if got := Paint(c.code, c.text); got != c.want {
			t.Errorf("%q %q: %q, want %q", c.code, c.text, got, c.want)
		}
		if got := string(PaintFrom([]byte("- "+c.text), 2, c.code)); got != "- "+c.want {
			t.Errorf("%q %q: %q, want %q", c.code, c.text, got, c.want)
		}
	}
}
