package project

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// The choices for start.
const (
	startUp        = "up"
	startOnRequest = "on-request"
)

// start reads when a service is started: true for by the first request.
func (r *reader) start(it *item, key string) (bool, error) {
	v, err := r.oneOf(it, key, []string{startUp, startOnRequest})
	var e *Error
	if errors.As(err, &e) && e.Hint == "" && it.value.kind == unstable.String && strings.ContainsAny(it.value.text, " ./") {
		e.Hint = didYouMean("command")
	}
	return v == startOnRequest, err
}

// http reads a port, false for a service that speaks no HTTP, or the path of a
// Unix socket (unix(7): up to 107 bytes).
func (r *reader) http(s *Service, it *item, key string) (err error) {
	v := it.value
	if v.kind == unstable.Bool {
		if v.text == "true" {
			return r.wrongType(v, key, "a port from 1 to 65535, a Unix socket's path or false", "leave http out: lodge finds the port that speaks HTTP")
		}
		s.NoHTTP = true
		return nil
	}
	if v.kind != unstable.String || !strings.Contains(v.text, "/") && !strings.HasSuffix(v.text, ".sock") {
		s.HTTP, err = r.portNumber(it, key, "a Unix socket's path or ")
		return err
	}
	path, err := r.str(it, key)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.project.Dir, path)
	}
	s.HTTPSocket = filepath.Clean(path)
	if len(s.HTTPSocket) > 107 {
		return r.fail(v.offset, key, fmt.Sprintf("the path has %d bytes, and a Unix socket's has at most 107", len(s.HTTPSocket)), "put it in a directory with a shorter path, such as /tmp")
	}
	return nil
}
