package procfs

import (
	"os"
	"testing"
	"time"
)

func TestParseTimes(t *testing.T) {
	state, cpu := parseTimes([]byte("12 (a) b (c) R 1 12 12 0 -1 4194304 95 7 0 0 150 50 3 2 20 0 1 0 100 1 2 3\n"))
	if state != 'R' || cpu != 2050*time.Millisecond {
		t.Errorf("got %q, %s", state, cpu)
	}
	for _, bad := range []string{"", "12", "12 (a)", "12 (a) R 1"} {
		if state, cpu := parseTimes([]byte(bad)); state != 0 || cpu != 0 {
			t.Errorf("%q: got %q, %s", bad, state, cpu)
		}
	}
	if got := parseWait([]byte("100 2000 3\n")); got != 2*time.Microsecond {
		t.Errorf("got %s", got)
	}
	if got := parseWait([]byte("100")); got != 0 {
		t.Errorf("got %s", got)
	}
}

func TestReadActivity(t *testing.T) {
	before := ReadActivity([]int{os.Getpid(), -1})
	end := time.Now().Add(30 * time.Second)
	for ReadActivity([]int{os.Getpid()}).CPU <= before.CPU { // reading /proc takes processor time
		if time.Now().After(end) {
			t.Fatal("this process uses no processor time")
		}
	}
}

func FuzzParseTimes(f *testing.F) {
	f.Add([]byte("12 (a) R 1 12 12 0 -1 4194304 95 7 0 0 150 50 3 2 20 0 1 0 100 1 2 3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, cpu := parseTimes(b); cpu < 0 {
			t.Errorf("%q: %s", b, cpu)
		}
		if parseWait(b) < 0 {
			t.Errorf("%q", b)
		}
	})
}
