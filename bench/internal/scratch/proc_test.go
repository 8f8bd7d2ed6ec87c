package scratch

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestParseCPU(t *testing.T) {
	// A name may have blanks and parentheses (proc_pid_stat(5)).
	s, err := parseCPU([]byte("42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 9 9 20 0 1 0 1000 1 1"))
	if err != nil || s != 2 {
		t.Errorf("got %v, %v", s, err)
	}
	if got, err := parseCPU([]byte("7 (a) b) S 0 1 1 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 1 0 42 1 2")); got != 2 || err != nil {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "7 (a) S 0", "7 (a) S 0 1 1 0 -1 4194560 1 2 3 4 x 50 7 8", "42 (a", "42 (a) S 1 2 3", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x 50 9 9"} {
		if _, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestChildren(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	if all := Children(os.Getpid()); !slices.Contains(all, child.Process.Pid) {
		t.Errorf("%v lacks %d", all, child.Process.Pid)
	}
	if s, err := CPU(os.Getpid()); err != nil || s < 0 {
		t.Errorf("processor time: %v, %v", s, err)
	}
}
