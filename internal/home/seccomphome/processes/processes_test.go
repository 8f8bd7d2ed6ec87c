package processes

import (
	"testing"

	"lodge/internal/home/seccomphome/unotify"
)

func FuzzProcText(f *testing.F) {
	f.Add("1 (a) b) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", "Tgid:\t12\nflags:\t02004002\n")
	f.Fuzz(func(t *testing.T, line, status string) {
		if s, ok := parseStat(line); ok && s.state == 0 {
			t.Errorf("%q: %+v", line, s)
		}
		unotify.StatusField(status, "Tgid")
		environ([]byte(status), EnvHome)
	})
}

func TestParseStat(t *testing.T) {
	// Linux 6.18, a process whose name is "a) R 1 (b".
	s, ok := parseStat("1234 (a) R 1 (b) S 77 1234 1234 0 -1 4194304 95 0 0 0 0 0 0 0 20 0 1 0 5678 2625536 220 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0")
	if !ok || s != (stat{'S', 77, 5678}) {
		t.Errorf("%+v, %v", s, ok)
	}
	for _, bad := range []string{"", "1", "1 (a", "1 (a) S", "1 (a) S x 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23"} {
		if s, ok := parseStat(bad); ok {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}
