package screen

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func keysOf(events []Event) []string {
	var out []string
	for _, e := range events {
		if e.Pasted {
			out = append(out, "paste:"+e.Paste)
		} else {
			out = append(out, e.Key)
		}
	}
	return out
}

func TestDecode(t *testing.T) {
	for in, want := range map[string][]string{
		"jK/":                            {"j", "K", "/"},
		" \r\t\x7f\x08":                  {"space", "enter", "tab", "backspace", "ctrl+h"},
		"\x03\x1a\x0c\x00\x1d":           {"ctrl+c", "ctrl+z", "ctrl+l", "ctrl+space"},
		"é日":                             {"é", "日"},
		"\xff\x80a\xc2\x9b":              {"a"},
		"\x1b[A\x1b[B\x1b[C\x1b[D":       {"up", "down", "right", "left"},
		"\x1bOA\x1bOB\x1bOH\x1bOF\x1bOM": {"up", "down", "home", "end", "enter"},
		"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~": {"home", "end", "home", "end", "home", "end"},
		"\x1b[5~\x1b[6~\x1b[2~\x1b[3~":             {"pgup", "pgdown", "insert", "delete"},
		"\x1b[1;5A\x1b[6;2~\x1b[1;2H":              {"up", "pgdown", "home"},
		"\x1b[Z\x1bOP\x1b[11~":                     {"shift+tab", "f1", "f1"},
		"\x1b[[Aq":                                 {"q"}, // F1 of the Linux console is no A
		"\x1bj\x1b\x1b[A":                          {"alt+j", "esc", "up"},
		"\x1b[?2026;2$yq":                          {"q"}, // answers to questions
		"\x1b[?62;22cq":                            {"q"},
		"\x1b]11;rgb:0/0/0\x07q":                   {"q"},
		"\x1b]11;rgb:0/0/0\x1b\\q":                 {"q"},
		"\x1bP>|tmux 3.3\x1b\\q":                   {"q"},
		"\x1b]11;cut\x1b[Aq":                       {"up", "q"},
		"\x1b[12\rq":                               {"enter", "q"},
		"\x1b[" + strings.Repeat("1;", 60) + "Aq":  {"A", "q"},
		"\x1b[200~a\x03\x1b[A\nb\x1b[201~q":        {"paste:a\x03\x1b[A\nb", "q"},
		"\x1b[200~\x1b[201~":                       {"paste:"},
	} {
		var d decoder
		got := keysOf(d.feed([]byte(in)))
		if d.pending() {
			t.Errorf("%q: something is pending: %q", in, d.buf)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		// Byte by byte it is the same.
		var one decoder
		var events []Event
		for i := range len(in) {
			events = append(events, one.feed([]byte{in[i]})...)
		}
		if got := keysOf(events); !slices.Equal(got, want) && len(in) < 100 {
			t.Errorf("%q, byte by byte: got %q, want %q", in, got, want)
		}
	}
}

// What is begun and does not go on: an escape is a key, the rest is nothing.
func TestDecodeExpired(t *testing.T) {
	for in, want := range map[string][]string{
		"\x1b": {"esc"}, "\x1b[": nil, "\x1b[1": nil, "\x1bO": nil, "\x1b]11;": nil, "\xe6\x97": nil, "q\x1b": {"q", "esc"}, "\x1b\x1b": {"esc", "esc"},
	} {
		var d decoder
		got := d.feed([]byte(in))
		if !d.pending() {
			t.Errorf("%q: nothing is pending", in)
		}
		if got := keysOf(append(got, d.expire()...)); !slices.Equal(got, want) || d.pending() {
			t.Errorf("%q: got %q, want %q; pending %v", in, got, want, d.pending())
		}
	}
	var d decoder
	if d.feed([]byte("\x1b[200~half of a paste")); d.pending() {
		t.Error("a paste is cut by the time it takes")
	}
}

// Nothing that is sent makes it keep without bound, or a name of a key with
// something in it that is no name.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("j\x1b[A\x1b[200~x\x1b[201~\x1b]0;t\x07日"), uint8(3))
	f.Add([]byte(strings.Repeat("\x1b]", 50)), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, chunk uint8) {
		var d decoder
		step := int(chunk)%9 + 1
		check := func(events []Event) {
			for _, e := range events {
				if e.Pasted {
					if len(e.Paste) > pasteMost {
						t.Fatalf("a paste of %d bytes", len(e.Paste))
					}
					continue
				}
				if e.Key == "" || !utf8.ValidString(e.Key) || !harmlessKey(e.Key) {
					t.Fatalf("%q gives the key %q", b, e.Key)
				}
			}
			if len(d.buf) > pasteMost+2*len(pasteEnd)+step || d.pending() && len(d.buf) > stringMost+step+1 {
				t.Fatalf("keeps %d bytes", len(d.buf))
			}
		}
		for i := 0; i < len(b); i += step {
			check(d.feed(b[i:min(i+step, len(b))]))
		}
		check(d.expire())
		if d.pending() {
			t.Fatalf("%q stays pending: %q", b, d.buf)
		}
	})
}

func harmlessKey(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return true
}
