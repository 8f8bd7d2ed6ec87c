package service

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	for range 50 {
		var b backoff
		full := backoffFirst
		for range 40 {
			if d := b.next(); d > full || d < full-full/4 {
				t.Fatalf("got %v, want at most %v less a quarter", d, full)
			}
			if full *= 2; full > backoffMost || full == 128*backoffFirst {
				full = backoffMost
			}
		}
		b.reset()
		if d := b.next(); d > backoffFirst {
			t.Fatalf("after reset: %v", d)
		}
	}
}

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

func TestCheckOfDefinitions(t *testing.T) {
	sp := func(name string, needs ...string) Spec {
		return Spec{Name: name, Argv: []string{"true"}, Needs: needs}
	}
	for _, c := range []struct {
		name  string
		specs []Spec
		want  string
	}{
		{"nothing", nil, ""},
		{"a diamond", []Spec{sp("a", "b", "c"), sp("b", "d"), sp("c", "d"), sp("d")}, ""},
		{"one that is not there", []Spec{sp("a", "z")}, ""},
		{"no name", []Spec{sp("")}, "no name"},
		{"no command", []Spec{{Name: "a"}}, "a has no command"},
		{"an empty command", []Spec{{Name: "a", Argv: []string{""}}}, "a has no command"},
		{"two of one name", []Spec{sp("a"), sp("a")}, "two are called a"},
		{"itself", []Spec{sp("a", "a")}, "a needs itself"},
		{"a ring", []Spec{sp("a", "b"), sp("b", "c"), sp("c", "a")}, "needs itself"},
	} {
		if err := check(c.specs); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTexts(t *testing.T) {
	if got := changedText([]string{"a.py"}); got != "a.py changed" {
		t.Error(got)
	}
	if got := changedText([]string{"a", "b", "c", "d"}); got != "4 files changed: a, b, c" {
		t.Error(got)
	}
	for x, want := range map[ExitStatus]string{{Code: 3}: "status 3", {Code: 143, Signal: 15}: "signal SIGTERM"} {
		if got := exitText(x); got != want {
			t.Errorf("%+v: %q", x, got)
		}
	}
	if got := (&Error{Service: "db", Cause: "x"}).Error(); got != "start service db: x" {
		t.Error(got)
	}
}
