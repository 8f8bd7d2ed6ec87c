package top

import (
	"testing"

	"lodge/internal/cli/kit"
)

func TestUTF8(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"LANG=en_US.UTF-8"}, true},
		{[]string{"LANG=C.utf8"}, true},
		{[]string{"LANG=en_US.UTF-8", "LC_ALL=C"}, false},
		{[]string{"LANG=C", "LC_CTYPE=de_DE.UTF-8"}, true},
		{[]string{"LANG=de_DE.UTF-8", "LC_ALL="}, true},
		{[]string{"LANG=de_DE"}, false},
	} {
		if got := utf8((&kit.Kit{Env: kit.Env{Environ: c.env}})); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}
