package kit

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
)

func TestStatusOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{&ExitError{Code: 42}, 42, ""},
		{errors.New("do it: no"), 1, "lodge: do it: no\n"},
		{errors.Join(errors.New("one"), errors.New("two")), 1, "lodge: one; two\n"},
		{&UsageError{Err: errors.New("read x"), Hint: "y"}, 2, "lodge: read x (hint: y)\n"},
		{fmt.Errorf("deep: %w", &Hinted{Err: unix.ENOSPC, Hint: "make room"}), 1, "lodge: deep: no space left on device (hint: make room)\n"},
		{&keeperapi.Error{Message: "start service db: no", Hint: "h", Service: "db", LastLines: []string{"a", "b"}}, 1, "db | a\ndb | b\nlodge: start service db: no (hint: h)\n"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		code := status(w, c.err)
		_ = w.Close()
		b := make([]byte, 4096)
		n, _ := r.Read(b)
		_ = r.Close()
		if code != c.code || string(b[:n]) != c.want {
			t.Errorf("%v: %d, %q", c.err, code, b[:n])
		}
	}
}
