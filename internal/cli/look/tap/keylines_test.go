package tap

import (
	"bytes"
	"strings"
	"testing"
)

// Sources whose pieces end within lines do not mix.
func TestKeyLines(t *testing.T) {
	text := "one\ntwo\n\n" + strings.Repeat("long", maxKeyLine) + "\nthree\nlast"
	for size := 1; size < 3*maxKeyLine; size = size*3 + 1 {
		var log bytes.Buffer
		var one, two keyLines
		for at := 0; at < len(text); at += size {
			piece := text[at:min(at+size, len(text))]
			one.write(&log, []byte(piece))
			two.write(&log, []byte(strings.ToUpper(piece)))
		}
		one.flush(&log)
		got := map[string]int{}
		for line := range strings.Lines(log.String()) {
			if got[strings.TrimSpace(line)]++; len(line) > maxKeyLine && size < maxKeyLine {
				t.Errorf("in pieces of %d: a line of %d bytes", size, len(line))
			}
		}
		for _, want := range []string{"one", "two", "three", "ONE", "TWO", "THREE", "last"} {
			if got[want] != 1 {
				t.Errorf("in pieces of %d: %q comes %d times", size, want, got[want])
			}
		}
	}
}
