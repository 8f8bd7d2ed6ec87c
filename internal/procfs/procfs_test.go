package procfs

import (
	"errors"
	"os"
	"testing"
)

func TestParseStartTime(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       uint64
		bad        bool
	}{
		{"plain", "1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 42 1 2", 42, false},
		{"parentheses in the name", "7 (a) b) (c) R 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551615 1", 1<<64 - 1, false},
		{"short", "1 (init) S 0", 0, true},
		{"no name", "1 init S", 0, true},
		{"empty", "", 0, true},
		{"not a number", "1 (x) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 x 1 2", 0, true},
	} {
		got, err := parseStartTime([]byte(c.stat))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: got %d, %v", c.name, got, err)
		}
	}
}

func TestSelf(t *testing.T) {
	n, err := StartTime(os.Getpid())
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if !Alive(os.Getpid(), n) || Alive(os.Getpid(), n+1) {
		t.Error("Alive does not tell this process from another with its id")
	}
	if _, err := StartTime(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("vanished process: %v", err)
	}
}

func FuzzParseStartTime(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 42 1 2"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseStartTime(b) })
}
