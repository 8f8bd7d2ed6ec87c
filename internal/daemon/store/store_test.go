package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

func anyHome(netip.Addr) error { return nil }

func mustOpen(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustHome(t *testing.T, s *Store, path string) Project {
	t.Helper()
	p, err := s.Home(path, "shop", anyHome)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHomesAreTheSameTomorrow(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	one, two := mustHome(t, s, "/src/one"), mustHome(t, s, "/src/two")
	if one.Home == two.Home || one.ID == two.ID || !loopback.HomeRange.Contains(one.Home) {
		t.Errorf("got %v and %v", one, two)
	}
	if fi, err := os.Stat(filepath.Join(dir, "state.json")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	s = mustOpen(t, dir)
	if got := mustHome(t, s, "/src/one"); got.Home != one.Home || got.ID != one.ID {
		t.Errorf("got %v, want %v", got, one)
	}
	// And without the file too.
	if err := os.Remove(filepath.Join(dir, "state.json")); err != nil {
		t.Fatal(err)
	}
	if got := mustHome(t, mustOpen(t, dir), "/src/one"); got.Home != one.Home || got.ID != one.ID {
		t.Errorf("got %v, want %v", got, one)
	}
	// Another daemon has homes of its own.
	if got := mustHome(t, mustOpen(t, t.TempDir()), "/src/one"); got.Home == one.Home {
		t.Error("two daemons share a home")
	}
	// A project may be called something else, and stays.
	if got, err := s.Home("/src/one", "store", anyHome); err != nil || got.Name != "store" || got.Home != one.Home || got.ID != one.ID {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCollisionsAreSettled(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	first := loopback.HomeFor(s.seed+"\x00/src/one", 0)
	s.Keep(Project{ID: "other-1", Name: "other", Path: "/src/other", Home: first})
	one := mustHome(t, s, "/src/one")
	if want := loopback.HomeFor(s.seed+"\x00/src/one", 1); one.Home != want {
		t.Errorf("got %v, want %v", one.Home, want)
	}
	if got := mustHome(t, mustOpen(t, dir), "/src/one"); got.Home != one.Home {
		t.Errorf("got %v tomorrow, want %v", got.Home, one.Home)
	}
}

func TestManyProjectsAtOnce(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Add(1)
		go func() { defer wg.Done(); mustHome(t, s, fmt.Sprint("/src/", i%20)) }()
	}
	wg.Wait()
	list, warnings := s.List()
	seen := make(map[netip.Addr]bool)
	for _, p := range list {
		if seen[p.Home] {
			t.Errorf("%v twice", p.Home)
		}
		seen[p.Home] = true
	}
	if len(list) != 20 || len(warnings) != 0 {
		t.Errorf("%d projects, %v", len(list), warnings)
	}
}

func TestAHomeThatSomebodyElseUses(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	one := mustHome(t, s, "/src/one")
	busy := func(ip netip.Addr) error {
		if ip == one.Home {
			return errors.New("somebody listens there")
		}
		return nil
	}
	for range 3 {
		got, err := s.Home("/src/one", "shop", busy)
		if err != nil || got.Home == one.Home || got.ID != one.ID {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if _, w := s.List(); len(w) != 1 || !strings.Contains(w[0], one.Home.String()) {
		t.Errorf("warnings: %q", w)
	}
	if _, err := s.Home("/src/two", "shop", func(netip.Addr) error { return errors.New("no lo") }); err == nil || !strings.Contains(err.Error(), "find a home in 127.64.0.0/10: no lo") {
		t.Errorf("got %v", err)
	}
}

func TestStateThatCannotBeReadIsSetAside(t *testing.T) {
	whole, err := json.Marshal(stateFile{Version: stateVersion, Projects: []Project{{ID: "a-1", Name: "a", Path: "/a", Home: netip.MustParseAddr("127.83.1.2")}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":        "",
		"garbage":      "\x00\xff\x00",
		"half-written": string(whole[:len(whole)/2]),
		"two":          string(whole) + string(whole),
		"newer":        `{"version":2,"projects":[]}`,
		"without one":  `{}`,
		"of a kind":    `{"version":"1"}`,
		"bad home":     `{"version":1,"projects":[{"home":"nowhere"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			want := mustHome(t, mustOpen(t, dir), "/src/one")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, dir)
			aside, err := filepath.Glob(path + ".corrupt-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("set aside: %v, %v", aside, err)
			}
			if b, err := os.ReadFile(aside[0]); err != nil || string(b) != text {
				t.Errorf("what is set aside: %q, %v", b, err)
			}
			if _, w := s.List(); len(w) != 1 || !strings.Contains(w[0], aside[0]) || strings.Contains(w[0], "\n") {
				t.Errorf("warnings: %q", w)
			}
			if got := mustHome(t, s, "/src/one"); got.Home != want.Home || got.ID != want.ID {
				t.Errorf("got %v, want %v", got, want)
			}
			if _, w := mustOpen(t, dir).List(); len(w) != 0 {
				t.Errorf("warnings the next time: %q", w)
			}
		})
	}
}

func TestEntriesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	text := `{"version":1,"projects":[
		{"id":"good-1","path":"/good","home":"127.83.1.2"},
		{"id":"outside-1","path":"/outside","home":"127.0.0.1"},
		{"id":"nowhere-1","path":"","home":"127.83.1.3"},
		{"id":"relative-1","path":"a/b","home":"127.83.1.4"},
		{"id":"../../etc/x","path":"/traversal","home":"127.83.1.5"},
		{"id":"","path":"/noid","home":"127.83.1.6"},
		{"id":"same-1","path":"/same","home":"127.83.1.2"}]}`
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, warnings := mustOpen(t, dir).List()
	if len(list) != 1 || list[0].Path != "/good" || len(warnings) != 6 {
		t.Errorf("got %v, %q", list, warnings)
	}
}

func TestStateThatCannotBeSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir)
	if err := os.Remove(dir); err != nil { // root may write to any that is there
		t.Fatal(err)
	}
	for i := range 3 {
		if p := mustHome(t, s, fmt.Sprint("/src/", i)); !p.Home.IsValid() {
			t.Error("no home")
		}
	}
	if _, w := s.List(); len(w) != 1 || !strings.Contains(w[0], "was not saved") || !strings.Contains(w[0], "state.json") {
		t.Errorf("warnings: %q", w)
	}
}

// Whatever stands in the file's place, homes are the same, and nothing waits.
func TestStateThatIsNoFile(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"directory":     func(p string) error { return os.Mkdir(p, 0o700) },
		"named pipe":    func(p string) error { return unix.Mkfifo(p, 0o600) },
		"link to a tty": func(p string) error { return os.Symlink("/dev/null", p) },
		"itself":        func(p string) error { return os.Symlink(p, p) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			want := mustHome(t, mustOpen(t, dir), "/src/one")
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, dir)
			if got := mustHome(t, s, "/src/one"); got.Home != want.Home {
				t.Errorf("got %v, want %v", got, want)
			}
			if _, w := s.List(); len(w) != 1 || !strings.Contains(w[0], "set aside as "+path) {
				t.Errorf("warnings: %q", w)
			}
			if got, _ := mustOpen(t, dir).List(); len(got) != 1 {
				t.Errorf("saved: %v", got)
			}
		})
	}
	// A link to nowhere is as no file.
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "no", "where"), filepath.Join(dir, "state.json")); err != nil {
		t.Fatal(err)
	}
	mustHome(t, mustOpen(t, dir), "/src/one")
	if got, _ := mustOpen(t, dir).List(); len(got) != 1 {
		t.Errorf("saved: %v", got)
	}
}

// A path is bytes: two that differ only in a byte that is not UTF-8 are two.
func TestPathsThatAreNotUTF8(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	one, two := mustHome(t, s, "/src/caf\xe9"), mustHome(t, s, "/src/caf\ufffd")
	if one.Home == two.Home || one.ID == two.ID {
		t.Errorf("%v and %v", one, two)
	}
	got, w := mustOpen(t, dir).List()
	if len(got) != 2 || len(w) != 0 {
		t.Errorf("%v, %q", got, w)
	}
	for _, p := range got {
		if p.Path != one.Path && p.Path != two.Path {
			t.Errorf("path %q", p.Path)
		}
	}
}

func TestProjectIDs(t *testing.T) {
	seen := make(map[string]string)
	for _, c := range []struct{ path, name, prefix string }{
		{"/a", "shop", "shop-"},
		{"/b", "shop", "shop-"},
		{"/c", "My Shop!", "my-shop-"},
		{"/d", "../../etc", "etc-"},
		{"/e", "", "project-"},
		{"/f", "日本", "project-"},
		{"/g", strings.Repeat("x", 100), strings.Repeat("x", 20) + "-"},
	} {
		id := projectID("seed", c.path, c.name)
		if !strings.HasPrefix(id, c.prefix) || !ValidID(id) || len(id) != len(c.prefix)+8 {
			t.Errorf("%q: %q", c.name, id)
		}
		if seen[id] != "" {
			t.Errorf("%q is that of %s and %s", id, seen[id], c.path)
		}
		seen[id] = c.path
	}
	for _, id := range []string{"", "a/b", "..", "A", "a b", strings.Repeat("a", 65)} {
		if ValidID(id) {
			t.Errorf("%q is valid", id)
		}
	}
}

func TestLabelsAreEachOnes(t *testing.T) {
	dir, src := t.TempDir(), t.TempDir()
	paths := []string{filepath.Join(src, "a", "shop"), filepath.Join(src, "b", "shop"), filepath.Join(src, "c", "shop")}
	for _, p := range paths {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, dir)
	for i, want := range []string{"shop", "shop-2", "shop-3"} {
		if got := mustHome(t, s, paths[i]).Label; got != want {
			t.Errorf("%s is called %s, want %s", paths[i], got, want)
		}
	}
	// The same tomorrow, in whatever order.
	s = mustOpen(t, dir)
	if got := mustHome(t, s, paths[2]).Label; got != "shop-3" {
		t.Errorf("got %s", got)
	}
	// What is no more on disk keeps no name from others.
	if err := os.RemoveAll(paths[0]); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Home(filepath.Join(src, "d"), "Shop!", anyHome); err != nil || p.Label != "shop" {
		t.Errorf("got %+v, %v", p, err)
	}
	if got := s.LabelOf(paths[1]); got != "shop-2" {
		t.Errorf("got %s", got)
	}
}

func TestTheWebPortIsTheSame(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	all := func(uint16) bool { return true }
	first := s.WebPort(all)
	if first < webFirst || first >= webFirst+webCount {
		t.Fatalf("got %d", first)
	}
	if got := mustOpen(t, dir).WebPort(all); got != first {
		t.Errorf("got %d tomorrow, want %d", got, first)
	}
	// While somebody else has it another one is taken, and then it is back.
	s = mustOpen(t, dir)
	if got := s.WebPort(func(p uint16) bool { return p != first }); got == first || got == 0 || len(s.warnings) != 1 {
		t.Errorf("got %d, %v", got, s.warnings)
	}
	if got := mustOpen(t, dir).WebPort(all); got != first {
		t.Errorf("got %d, want %d", got, first)
	}
	if got := s.WebPort(func(uint16) bool { return false }); got != 0 {
		t.Errorf("got %d", got)
	}
}
