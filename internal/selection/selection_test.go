package selection

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/localapi"
	"lodge/internal/service"
)

// An id counts before a label, a label before a name, and a name before a directory.
func TestProjects(t *testing.T) {
	ps := []localapi.Project{
		{ID: "a-1", Label: "shop", Name: "shop", Path: "/src/a"},
		{ID: "b-1", Label: "shop-2", Name: "shop", Path: "/src/b"},
		{ID: "shop-2", Label: "c", Name: "c", Path: "/src/c"},
		{ID: "d-1", Label: "d", Name: "same", Path: "/src/d"},
		{ID: "e-1", Label: "e", Name: "same", Path: "/src/e", DirectoryNow: "/src/moved"},
	}
	for word, want := range map[string]string{
		"shop":       "a-1",
		"shop-2":     "shop-2",
		"b-1":        "b-1",
		"same":       "d-1 e-1",
		"/src/c":     "shop-2",
		"c":          "shop-2",
		"../d":       "d-1",
		"/src/moved": "e-1",
		"nosuch":     "",
	} {
		var got []string
		for _, p := range Projects(ps, word, "/src/x") {
			got = append(got, p.ID)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", word, s, want)
		}
		p, err := Project(ps, word, "/src/x")
		var e *localapi.Error
		switch n := len(got); {
		case n == 1 && (err != nil || p.ID != want):
			t.Errorf("%s: %+v, %v", word, p, err)
		case n != 1 && (!errors.As(err, &e) || e.Hint == ""):
			t.Errorf("%s: %+v, %v, want an error with a hint", word, p, err)
		}
	}
	if !Called(ps[1], "shop") || !Called(ps[1], "shop-2") || Called(ps[1], "b-1") {
		t.Error("a project is called by its label and its name, and not by its id")
	}
}

// A directory is known by its identity before its path, and so is one above it.
func TestAbove(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "shop", "x", "y")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	id := DirectoryID(filepath.Join(dir, "shop"))
	if id == "" || DirectoryID(filepath.Join(dir, "nosuch")) != "" {
		t.Errorf("its id is %q", id)
	}
	ps := []localapi.Project{
		{ID: "path", Path: filepath.Join(dir, "shop")},
		{ID: "moved", Path: filepath.Join(dir, "before"), DirectoryID: id},
	}
	if p, ok := Above(ps, below); !ok || p.ID != "moved" {
		t.Errorf("got %+v, %v", p, ok)
	}
	if p, ok := Above(ps[:1], below); !ok || p.ID != "path" {
		t.Errorf("got %+v, %v", p, ok)
	}
	if p, ok := Above(ps, dir); ok {
		t.Errorf("above the project: %+v", p)
	}
}

func TestService(t *testing.T) {
	p := localapi.Project{Name: "shop", Services: []service.Status{
		{Name: "web", Naming: service.Naming{PortNames: []service.PortName{{Name: "admin", Port: 1}, {Name: "web", Port: 2}}}}, {Name: "db"},
	}}
	if s, err := Service(p, "db"); err != nil || s.Name != "db" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, c := range []struct {
		p    localapi.Project
		hint string
	}{{p, "there are: web, db, admin"}, {localapi.Project{Name: "empty"}, "it has none"}} {
		var e *localapi.Error
		if _, err := Service(c.p, "nosuch"); !errors.As(err, &e) || e.Hint != c.hint {
			t.Errorf("%s: %v (%+v)", c.p.Name, err, e)
		}
	}
}
