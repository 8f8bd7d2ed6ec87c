package keeper

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A keeper that ends leaves a command to the next one only if the command has
// not begun.
func TestExecLost(t *testing.T) {
	for name, tc := range map[string]struct {
		replies []Reply
		want    error
	}{
		"before it begins":   {nil, ErrGone},
		"while it begins":    {[]Reply{{Begins: true}}, ErrLost},
		"it closes":          {[]Reply{{Begins: true}, {Done: true}}, ErrGone},
		"when it has begun":  {[]Reply{{Begins: true}, {PID: 1, Name: "sh"}}, ErrLost},
		"one of before ends": {[]Reply{{PID: 1, Name: "sh"}}, ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "k")
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			served := make(chan struct{})
			defer func() { <-served }()
			go func() {
				defer close(served)
				conn, err := l.AcceptUnix()
				if err != nil {
					return
				}
				w := &wire{conn: conn}
				defer w.conn.Close()
				var req Request
				if files, err := w.read(&req); err == nil {
					closeAll(files)
				}
				for _, r := range tc.replies {
					_ = w.write(r)
				}
			}()
			c := Client{Socket: path}
			p, err := c.Exec(t.Context(), Exec{Argv: []string{"sh"}, Name: "sh"}, nil, os.Stdin, os.Stdout, os.Stderr)
			if err == nil {
				_, err = p.Wait()
			}
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}
