package holders

import (
	"os/exec"
	"testing"
)

func TestProcessSocketsOfVanished(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got, err := ProcessSockets(cmd.Process.Pid)
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestParseLink(t *testing.T) {
	for link, want := range map[string]uint32{"socket:[123]": 123, "socket:[4294967295]": 4294967295, "socket:[]": 0, "socket:[12": 0, "pipe:[1]": 0, "/etc/passwd": 0, "socket:[99999999999]": 0} {
		got, ok := ParseLink(link)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%q: %d, %v", link, got, ok)
		}
	}
}
