package keeper

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"lodge/internal/keeperapi"
)

// A keeper that ends leaves a command to the next one only if the command has
// not begun.
func TestExecLost(t *testing.T) {
	for name, tc := range map[string]struct {
		replies []keeperapi.Reply
		want    error
	}{
		"before it begins":   {nil, keeperapi.ErrGone},
		"while it begins":    {[]keeperapi.Reply{{Begins: true}}, keeperapi.ErrLost},
		"it closes":          {[]keeperapi.Reply{{Begins: true}, {Done: true}}, keeperapi.ErrGone},
		"when it has begun":  {[]keeperapi.Reply{{Begins: true}, {PID: 1, Name: "sh"}}, keeperapi.ErrLost},
		"one of before ends": {[]keeperapi.Reply{{PID: 1, Name: "sh"}}, keeperapi.ErrLost},
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
				w := &keeperapi.Wire{Conn: conn}
				defer w.Conn.Close()
				var req keeperapi.Request
				if files, err := w.Read(&req); err == nil {
					keeperapi.CloseAll(files)
				}
				for _, r := range tc.replies {
					_ = w.Write(r)
				}
			}()
			c := keeperapi.Client{Socket: path}
			p, err := c.Exec(t.Context(), keeperapi.Exec{Argv: []string{"sh"}, Name: "sh"}, nil, os.Stdin, os.Stdout, os.Stderr)
			if err == nil {
				_, err = p.Wait()
			}
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}
