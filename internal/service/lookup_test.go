package service

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMergeEnv(t *testing.T) {
	for _, c := range []struct {
		base, over, want string
	}{
		{"", "", ""},
		{"A=1 B=2", "", "A=1 B=2"},
		{"A=1 B=2", "A=3", "A=3 B=2"},
		{"A=1 A=2", "", "A=2"},
		{"A=1", "B=2 A=", "A= B=2"},
		{"A=b=c", "", "A=b=c"},
		{"junk A=1", "more", "A=1"},
	} {
		base := strings.Fields(c.base)
		before := slices.Clone(base)
		if got := strings.Join(MergeEnv(base, strings.Fields(c.over)...), " "); got != c.want {
			t.Errorf("%q over %q: got %q, want %q", c.over, c.base, got, c.want)
		}
		if !slices.Equal(before, base) {
			t.Errorf("%q was changed to %q", before, base)
		}
	}
}

func TestGetenv(t *testing.T) {
	env := []string{"A=1", "AB=2", "A=3", "E="}
	for _, c := range []struct {
		key, want string
		ok        bool
	}{{"A", "3", true}, {"AB", "2", true}, {"E", "", true}, {"B", "", false}, {"", "", false}} {
		if got, ok := Getenv(env, c.key); got != c.want || ok != c.ok {
			t.Errorf("%q: got %q, %v", c.key, got, ok)
		}
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/prog": 0o755, "a/data": 0o644, "b/prog": 0o755, "b/only": 0o755, "here": 0o755} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "a", "only"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		want, err  string // relative to dir
	}{
		{"prog", "a:b", "a/prog", ""},
		{"prog", "b:a", "b/prog", ""},
		{"only", "a:b", "b/only", ""}, // a directory is no program
		{"here", ":a", "here", ""},
		{"data", "a:b", "", "permission denied"},
		{"nothing", "a:b", "", "not found in PATH (a:b)"},
		{"nothing", "", "", "not found in PATH (" + DefaultPath + ")"},
		{"./here", "a", "here", ""},
		{"a/prog", "", "a/prog", ""},
		{"./nothing", "a", "", "no such file"},
		{"./a", "", "", "is a directory"},
		{"./a/data", "", "", "permission denied"},
		{"", "a", "", "empty command"},
	} {
		got, err := LookPath(c.name, dir, []string{"PATH=" + c.path})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s in %q: got %q, %v, want %q", c.name, c.path, got, err, c.err)
			}
			continue
		}
		if err != nil || got != filepath.Join(dir, c.want) {
			t.Errorf("%s in %q: got %q, %v", c.name, c.path, got, err)
		}
	}
	if _, err := LookPath("sh", dir, nil); err != nil {
		t.Errorf("without a PATH: %v", err)
	}
	// A directory that may not be searched hides what is in it.
	if os.Geteuid() != 0 {
		shut := filepath.Join(dir, "shut")
		if err := os.Mkdir(shut, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := LookPath("prog", dir, []string{"PATH=shut:b"}); err != nil {
			t.Error(err)
		}
		if _, err := LookPath("nothing", dir, []string{"PATH=shut"}); err == nil || !strings.Contains(err.Error(), "not found in PATH (shut)") {
			t.Errorf("got %v", err)
		}
	}
	abs := filepath.Join(dir, "here")
	if got, err := LookPath(abs, "/", nil); got != abs || err != nil {
		t.Errorf("absolute: %q, %v", got, err)
	}
}
