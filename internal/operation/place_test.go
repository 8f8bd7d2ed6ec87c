package operation

import (
	"testing"

	"lodge/internal/localapi"
)

func TestAbove(t *testing.T) {
	ps := []localapi.Project{{Path: "/a"}, {Path: "/a/b/c"}}
	for dir, want := range map[string]string{"/a": "/a", "/a/b": "/a", "/a/b/c/d": "/a/b/c", "/ab": "", "/": ""} {
		got, ok := Above(ps, dir)
		if got.Path != want || ok != (want != "") {
			t.Errorf("above %s: %q, %v", dir, got.Path, ok)
		}
	}
}
