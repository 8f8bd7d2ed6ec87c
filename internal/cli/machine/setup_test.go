package machine

import (
	"testing"
)

func TestWebUser(t *testing.T) {
	for _, tc := range []struct{ name, sudo, want string }{
		{"", "", ""}, {"", "0", ""}, {"", "x", ""}, {"", "1000\nExecStart=x", ""},
		{"", "1000", " --web-user 1000"},
	} {
		got, err := webUserFlag(tc.name, tc.sudo)
		if err != nil || got != tc.want {
			t.Errorf("%q, %q: %q, %v", tc.name, tc.sudo, got, err)
		}
	}
	for _, name := range []string{"no such user", "root", "0"} {
		if got, err := webUserFlag(name, "1000"); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
