package project

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"lodge/internal/project/syntax"
)

// The choices for start.
const (
	startUp        = "up"
	startOnRequest = "on-request"
)

// readStart reads when a service is started: true for by the first request.
func readStart(t *syntax.Tree, it *syntax.Item, key string) (bool, error) {
	v, err := t.OneOf(it, key, []string{startUp, startOnRequest})
	var e *syntax.Error
	if errors.As(err, &e) && e.Hint == "" && it.Value.Kind == unstable.String && strings.ContainsAny(it.Value.Text, " ./") {
		e.Hint = syntax.DidYouMean("command")
	}
	return v == startOnRequest, err
}

// readHTTP reads a port, false for a service that speaks no HTTP, or the path of a
// Unix socket (unix(7): up to 107 bytes).
func readHTTP(t *syntax.Tree, dir string, s *Service, it *syntax.Item, key string) (err error) {
	v := it.Value
	if v.Kind == unstable.Bool {
		if v.Text == "true" {
			return t.WrongType(v, key, "a port from 1 to 65535, a Unix socket's path or false", "leave http out: lodge finds the port that speaks HTTP")
		}
		s.NoHTTP = true
		return nil
	}
	if v.Kind != unstable.String || !strings.Contains(v.Text, "/") && !strings.HasSuffix(v.Text, ".sock") {
		s.HTTP, err = t.PortNumber(it, key, "a Unix socket's path or ")
		return err
	}
	path, err := t.Str(it, key)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	s.HTTPSocket = filepath.Clean(path)
	if len(s.HTTPSocket) > 107 {
		return t.Fail(v.Offset, key, fmt.Sprintf("the path has %d bytes, and a Unix socket's has at most 107", len(s.HTTPSocket)), "put it in a directory with a shorter path, such as /tmp")
	}
	return nil
}
