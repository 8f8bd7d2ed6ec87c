package procfs

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	// /proc/PID/stat of Linux 6.18, cut after field 22.
	const tail = " S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 42 1 2"
	for _, c := range []struct {
		text string
		want Stat
		bad  bool
	}{
		{"1 (init)" + tail, Stat{"init", 'S', 7, 13, 42}, false},
		{"1 (a) b) (c)" + tail + "\n", Stat{"a) b) (c", 'S', 7, 13, 42}, false},
		{"1 ()" + tail, Stat{"", 'S', 7, 13, 42}, false},
		{"1 (x\n y)" + strings.Replace(tail, " S ", " Z ", 1), Stat{"x\n y", 'Z', 7, 13, 42}, false},
		{"1 (init) S 7 1", Stat{}, true},
		{"1 (init)" + strings.Replace(tail, " 42 ", " x ", 1), Stat{}, true},
		{"1 (init)" + strings.Replace(tail, " 7 ", " x ", 1), Stat{}, true},
		{"1 (init)" + strings.Replace(tail, " S ", " SS ", 1), Stat{}, true},
		{")1 (init" + tail, Stat{}, true},
		{"", Stat{}, true},
	} {
		got, err := ParseStat([]byte(c.text))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	start, err := StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseStat(b); err != nil || s.Start != start || s.Parent != os.Getppid() || s.Threads < 1 {
		t.Errorf("self: %+v, %v", s, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 42 1 2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStat(b)
		if err == nil && !bytes.Contains(b, []byte("("+s.Name+")")) {
			t.Errorf("%q: %+v", b, s)
		}
	})
}
