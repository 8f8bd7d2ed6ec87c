package captures

import (
	"os"
	"slices"
	"testing"
)

// FuzzCapture takes any bytes as a capture file, down to the lines of JSON: nothing may
// panic, each layer accounts for what it was given, and what is written as pcapng and read
// again gives the same records.
func FuzzCapture(f *testing.F) {
	for _, c := range files(f) {
		b, err := os.ReadFile(c.path)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) <= 4<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		first := read(t, b)
		first.identities(t)
		again, err := rewrite(b)
		if err != nil {
			return // a time that pcapng cannot have
		}
		if second := read(t, again); second.err != nil || !slices.Equal(first.lines, second.lines) {
			t.Errorf("read:\n%q\nwritten and read again (%v):\n%q", first.lines, second.err, second.lines)
		}
	})
}
