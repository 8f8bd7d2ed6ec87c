package procfs

import (
	"os"
	"testing"
)

func TestUserIDs(t *testing.T) {
	for text, want := range map[string][4]uint32{
		"Name:\tbash\nUmask:\t0022\nUid:\t1000\t1001\t1002\t4294967294\nGid:\t7\t7\t7\t7\n": {1000, 1001, 1002, 4294967294},
		"Uid:\t0\t0\t0\t0\n": {},
	} {
		if got, ok := ParseUserIDs([]byte(text)); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, bad := range []string{"", "Uid:\n", "Uid:\t1\t1\t1\n", "Uid:\t1\t1\t1\t1\t1\n", "Uid:\t1\tx\t1\t1\n", "Uid:\t1\t-1\t1\t1\n", "Uid:\t1\t4294967296\t1\t1\n", "Gid:\t1\t1\t1\t1\n", " Uid:\t1\t1\t1\t1\n"} {
		if got, ok := ParseUserIDs([]byte(bad)); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
	me := uint32(os.Geteuid())
	if ids, err := UserIDs(os.Getpid()); err != nil || ids != [4]uint32{me, me, me, me} {
		t.Errorf("this process: %v, %v", ids, err)
	}
	if _, err := UserIDs(1 << 22); err == nil { // the most that pid_max can be, and so no process
		t.Error("no error for no process")
	}
}
