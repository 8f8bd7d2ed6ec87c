package tui

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/logs"
	"lodge/internal/show/table"
	"lodge/internal/tui/view"
	"lodge/internal/tui/view/samples"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestScreens(t *testing.T) {
	for _, size := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"120x40", 120, 40}, {"40x10", 40, 10}} {
		for i, v := range view.Names() {
			u := shopUI(size.w, size.h, Options{View: v})
			s := u.String()
			golden(t, v+"-"+size.name+".txt", s)
			if lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n"); len(lines) != size.h {
				t.Errorf("%s at %s: %d lines", v, size.name, len(lines))
			}
			if u.tabs.at != i {
				t.Errorf("%s: view %d", v, u.tabs.at)
			}
		}
	}
	golden(t, "listeners-80x24-ascii.txt", shopUI(80, 24, Options{View: "listeners", ASCII: true}).String())
	golden(t, "connections-80x24-color.txt", painted(shopUI(80, 24, Options{View: "connections", Color: true})))
}

func painted(u *ui) string {
	var b strings.Builder
	for _, l := range u.Lines() {
		b.WriteString(strings.ReplaceAll(l.Paint(true), "\x1b", "^[") + "\n")
	}
	return b.String()
}

func TestPanes(t *testing.T) {
	u := shopUI(80, 24, Options{View: "projects"})
	press(u, "?")
	golden(t, "help-80x24.txt", u.String())
	press(u, "esc")
	es := press(u, "home", "down", "e") // empty has no services, then shop/api
	want := explain{1 + 1, samples.Home + ":4000"}
	if len(es) != 1 || es[0] != effect(want) {
		t.Fatalf("explain: got %#v", es)
	}
	u.Explained(want.pane, "Here listens python3.\n\n  since   now\n  command "+strings.Repeat("a long argument ", 10), nil)
	golden(t, "explain-80x24.txt", u.String())
	es = press(u, "q", "l")
	f, ok := es[len(es)-1].(follow)
	if !ok || f.service != "api" || f.project.ID != "shop-1" {
		t.Fatalf("logs: got %#v", es)
	}
	u.Logged(f.pane, []logs.Line{{Time: at0, Service: "api", Text: "\x1b[32mINFO\x1b[0m\tstarted"}, {Time: at0, Service: "api", Text: strings.Repeat("word ", 40)}}, 3)
	golden(t, "logs-80x24.txt", u.String())
	press(u, "q", "K")
	golden(t, "end-80x24.txt", u.String())
}

func TestTooSmall(t *testing.T) {
	for _, s := range [][2]int{{39, 24}, {80, 9}, {1, 1}, {0, 0}, {5, 2}} {
		u := shopUI(s[0], s[1], Options{})
		got := u.Lines()
		if len(got) > s[1] {
			t.Errorf("%v: %d lines", s, len(got))
		}
		for _, l := range got {
			if table.Width(l.String()) > s[0] {
				t.Errorf("%v: %q", s, l.String())
			}
		}
		if s[0] > 20 && !strings.Contains(u.String(), "too small") {
			t.Errorf("%v: got %q", s, u.String())
		}
		if es := press(u, "K", "y", "e"); len(es) != 0 {
			t.Errorf("%v: keys do %v unseen", s, es)
		}
		if es := press(u, "q"); len(es) != 1 {
			t.Errorf("%v: q does %v", s, es)
		}
	}
}

func TestStill(t *testing.T) {
	for _, v := range view.Names() {
		u := shopUI(80, 24, Options{View: v})
		var text, narrow bytes.Buffer
		s := &Still{u}
		if err := s.WriteText(&text, 0); err != nil {
			t.Fatal(err)
		}
		golden(t, "once-"+v+".txt", text.String())
		if err := s.WriteText(&narrow, 60); err != nil {
			t.Fatal(err)
		}
		for l := range strings.SplitSeq(narrow.String(), "\n") {
			if table.Width(l) > 60 {
				t.Errorf("%s: %q is wider than 60", v, l)
			}
		}
		b, err := json.MarshalIndent(s.Report(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "once-"+v+".json", string(b)+"\n")
	}
}

func TestNothingYet(t *testing.T) {
	u, err := newUI(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := u.String(); !strings.Contains(s, "reading ...") {
		t.Errorf("got %s", s)
	}
	for _, k := range []string{"e", "K", "l", "f", "down", "end", "pgup", "s", "r", "tab"} {
		if es := press(u, k); len(es) != 0 {
			t.Errorf("%s does %v", k, es)
		}
	}
	u.Failed(os.ErrPermission)
	if s := u.String(); !strings.Contains(s, "permission denied") {
		t.Errorf("got %s", s)
	}
	u.Frame(&view.Frame{Time: at0})
	if s := u.String(); u.tabs.at != view.Listeners || !strings.Contains(s, "nothing listens") {
		t.Errorf("got %s", s)
	}
}
