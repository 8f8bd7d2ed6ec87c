package gather

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHolderFacts(t *testing.T) {
	if n, ok := parseOpenFiles("Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \n"); n != 1024 || !ok {
		t.Error(n, ok)
	}
	for s, want := range map[string]bool{"pos:\t0\nflags:\t02000002\n": true, "pos:\t0\nflags:\t02\n": false, "": true} {
		if closesOnExec(s) != want {
			t.Errorf("%q", s)
		}
	}
	for s, want := range map[string]bool{
		"running\n":      false,
		"-1 0x7ffd 0x7f": false,
		fmt.Sprintf("%d 0x3 0x0", unix.SYS_ACCEPT4):     false,
		fmt.Sprintf("%d 0x3 0x0", unix.SYS_READ):        false,
		fmt.Sprintf("%d 0x0 0x0", unix.SYS_READ):        true,
		fmt.Sprintf("%d 0x0 0x0", unix.SYS_WAIT4):       true,
		fmt.Sprintf("%d 0x0", unix.SYS_CLOCK_NANOSLEEP): true,
	} {
		if waitsElsewhere(s, []string{"3"}) != want {
			t.Errorf("%q", s)
		}
	}
}
