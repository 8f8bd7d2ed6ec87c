package helperconn

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhyThereIsNoHelper(t *testing.T) {
	for _, c := range []struct {
		err  error
		root bool
		want string
		hint bool
	}{
		{nil, false, "not installed: it would listen on /run/lodge-helper.sock", true},
		{fmt.Errorf("connect: %w", os.ErrNotExist), false, "not installed: it would listen on /run/lodge-helper.sock", true},
		{unix.ECONNREFUSED, false, "nothing listens on /run/lodge-helper.sock", true},
		{unix.EACCES, false, "permission denied", false},
		{errors.New("no program"), true, "it cannot be started: no program", false},
	} {
		if why, hint := Missing(c.err, c.root); why != c.want || (hint != "") != c.hint {
			t.Errorf("%v: %q, %q", c.err, why, hint)
		}
	}
}
