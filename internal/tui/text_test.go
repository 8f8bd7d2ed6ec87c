package tui

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
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
			if got := clean(in, ascii); got != want[i] {
				t.Errorf("%q, ascii %v: got %q, want %q", in, ascii, got, want[i])
			}
		}
	}
	if got := cleanLine("\x1b[1;32mINFO\x1b[0m\tready\x1b]0;title\x07\r\n", false); got != "INFO    ready" {
		t.Errorf("line: %q", got)
	}
}

func harmless(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 {
			return false
		}
	}
	return true
}

func FuzzClean(f *testing.F) {
	f.Add("evil\x1b[2J\r\nname\u202e\u009b", uint8(7))
	f.Add("日本語\u0301\u0301\u0301\u0301", uint8(3))
	f.Fuzz(func(t *testing.T, s string, w uint8) {
		for _, ascii := range []bool{false, true} {
			for _, c := range []string{clean(s, ascii), cleanLine(s, ascii)} {
				if !harmless(c) {
					t.Fatalf("%q becomes %q", s, c)
				}
				for _, right := range []bool{false, true} {
					if got := fitText(c, int(w), right, ascii); width(got) != int(w) {
						t.Fatalf("%q made %d wide is %q, %d", c, w, got, width(got))
					}
				}
				if got := cutFront(c, int(w), ascii); width(got) > int(w) {
					t.Fatalf("%q cut in front to %d is %q", c, w, got)
				}
				if w > 2 {
					for _, p := range wrap(c, int(w)) {
						if width(p) > int(w) {
							t.Fatalf("%q wrapped at %d has %q", c, w, p)
						}
					}
				}
			}
		}
	})
}

func TestNumbers(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0", 0.4: "0", 0.6: "1", 7: "7", 999: "999", 999.6: "1.0k", 1000: "1.0k", 1234: "1.2k", 9949: "9.9k", 9960: "10k", 99900: "100k",
		999400: "999k", 999600: "1.0M", 1.5e9: "1.5G", 2e12: "2.0T", 3e15: "3.0P", 1e30: "lots",
	} {
		if got := bytesText(n); got != want || len(got) > 4 {
			t.Errorf("%v: got %q, want %q", n, got, want)
		}
	}
	for us, want := range map[uint32]string{0: "-", 1: "1us", 999: "999us", 1000: "1.0ms", 9949: "9.9ms", 15000: "15ms", 999499: "999ms", 1500000: "1.5s", 1 << 31: "2147.5s"} {
		if got := microText(us); got != want {
			t.Errorf("%d: got %q, want %q", us, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 47 * time.Hour: "47h", 48 * time.Hour: "2d"} {
		if got := ageText(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	if rateText(5, false) != "-" || count(1, "a", "b") != "1 a" || count(2, "a", "b") != "2 b" {
		t.Error("counts")
	}
}

// Whatever the columns want, what stays fits as far as it can, and what must
// stay does.
func TestFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "columns")
		cols, want := make([]column, n), make([]int, n)
		titles := 0
		for i := range cols {
			title := strings.Repeat("T", rapid.IntRange(1, 6).Draw(t, "title"))
			least := rapid.IntRange(0, 15).Draw(t, "least")
			cols[i] = column{title: title, least: least, most: least + rapid.IntRange(0, 30).Draw(t, "most"), drop: rapid.IntRange(0, 3).Draw(t, "drop")}
			want[i] = rapid.IntRange(0, 60).Draw(t, "want")
			if cols[i].drop == 0 {
				titles += len(title) + gap
			}
		}
		room := rapid.IntRange(0, 150).Draw(t, "room")
		w := fit(cols, want, room)
		sum := 0
		for i, c := range cols {
			if w[i] > 0 {
				sum += w[i] + gap
			}
			if w[i] == 0 && c.drop == 0 {
				t.Fatalf("column %d, which must stay, is left out: %v", i, w)
			}
			if w[i] > 0 && w[i] < len(c.title) {
				t.Fatalf("column %d is narrower than its title: %v", i, w)
			}
		}
		if room >= titles && sum > room {
			t.Fatalf("%v takes %d of %d", w, sum, room)
		}
	})
}
