package tui

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/show/table"
	"lodge/internal/sockets"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
	"lodge/internal/tui/view/samples"
)

// portFilter is a filter good enough for tests: a port, or a name.
func portFilter(text string) (view.Match, error) {
	if text == "wrong" {
		return nil, errors.New("no such word")
	}
	return func(r *sockets.Row) bool {
		if len(r.Processes) > 0 && strings.Contains(r.Processes[0].Name, text) {
			return true
		}
		return r.Local != nil && strings.HasSuffix(r.Local.AddrPort().String(), ":"+text) || r.Remote != nil && strings.HasSuffix(r.Remote.AddrPort().String(), ":"+text)
	}, nil
}

func (u *ui) selectedLine() string {
	for l := range strings.SplitSeq(u.String(), "\n") {
		if strings.HasPrefix(l, ">") {
			return l
		}
	}
	return ""
}

// The selection stays on its item whatever happens around it, and is always on
// the screen.
func TestSelectionStays(t *testing.T) {
	u := shopUI(80, 12, Options{View: "listeners"})
	r := rand.New(rand.NewPCG(1, 2))
	press(u, "down", "down", "down")
	want := u.tabs.all[view.Listeners].cursor.id
	if !want.Local.IsValid() {
		t.Fatal("nothing is selected")
	}
	for i := range 200 {
		f := shopFrame(20 + i)
		r.Shuffle(len(f.Rows), func(a, b int) { f.Rows[a], f.Rows[b] = f.Rows[b], f.Rows[a] })
		// Others come and go.
		f.Rows = slices.DeleteFunc(f.Rows, func(row sockets.Row) bool { return r.IntN(3) == 0 && row.Cookie != want.Cookie })
		for range r.IntN(20) {
			f.Rows = append(f.Rows, samples.Sock(uint64(1000+r.IntN(50)), "listen", "127.0.0.9:"+[]string{"1", "3000", "65000"}[r.IntN(3)]))
		}
		u.Frame(f)
		if k := r.IntN(4); k < 2 {
			press(u, []string{"s", "r"}[k])
		}
		if got := u.tabs.all[view.Listeners].cursor.id; got != want {
			t.Fatalf("after %d frames: on %+v, want %+v", i, got, want)
		}
		if l := u.selectedLine(); !strings.Contains(l, want.Local.String()) {
			t.Fatalf("after %d frames the selected is not on the screen: %q\n%s", i, l, u)
		}
	}
}

func TestSelectionOfWhatIsGone(t *testing.T) {
	u := shopUI(80, 24, Options{View: "connections"})
	press(u, "end")
	f := shopFrame(14)
	f.Rows = f.Rows[:10] // the last are gone
	u.Frame(f)
	if l := u.selectedLine(); l == "" {
		t.Errorf("nothing is selected:\n%s", u)
	}
	u.Frame(&view.Frame{Time: at0})
	if u.selectedLine() != "" || u.tabs.all[view.Connections].cursor.index != 0 {
		t.Errorf("selected in an empty list:\n%s", u)
	}
	press(u, "down", "up", "pgdown", "home", "e", "K", "f")
	if !strings.Contains(u.String(), "nothing is selected") {
		t.Errorf("got\n%s", u)
	}
}

// Nobody has moved yet: the first line stays selected, whatever it is.
func TestSelectionBeforeAnyMove(t *testing.T) {
	u := shopUI(80, 24, Options{View: "listeners"})
	press(u, "r")
	if c := u.tabs.all[view.Listeners].cursor; c.index != 0 {
		t.Errorf("at %d", c.index)
	}
}

func TestMoving(t *testing.T) {
	u := shopUI(80, 12, Options{View: "listeners"}) // 10 items, 7 fit
	for _, c := range []struct {
		key  string
		want int
	}{{"down", 1}, {"j", 2}, {"k", 1}, {"up", 0}, {"up", 0}, {"end", 9}, {"down", 9}, {"pgup", 3}, {"pgup", 0}, {"pgdown", 6}, {"G", 9}, {"g", 0}, {"home", 0}} {
		press(u, c.key)
		if got := u.tabs.all[view.Listeners].cursor.index; got != c.want {
			t.Errorf("%s: at %d, want %d", c.key, got, c.want)
		}
		if u.selectedLine() == "" {
			t.Errorf("%s: the selected is not on the screen", c.key)
		}
	}
}

func TestViews(t *testing.T) {
	u := shopUI(80, 24, Options{})
	if u.tabs.at != view.Projects {
		t.Errorf("with projects up it begins with view %d", u.tabs.at)
	}
	for _, c := range []struct {
		key  string
		want int
	}{{"tab", 1}, {"tab", 2}, {"right", 3}, {"tab", 0}, {"shift+tab", 3}, {"left", 2}, {"1", 0}, {"4", 3}, {"2", 1}, {"3", 2}} {
		press(u, c.key)
		if u.tabs.at != c.want {
			t.Errorf("%s: view %d, want %d", c.key, u.tabs.at, c.want)
		}
	}
	if _, err := newUI(Options{View: "nonsense"}); err == nil {
		t.Error("a view that is not there")
	}
}

func TestSorting(t *testing.T) {
	for i := range view.Count {
		u := shopUI(120, 30, Options{View: view.Names()[i]})
		v := u.tabs.tab(i).list
		for k := range v.Orderings() {
			name, marks, _ := v.Ordering(k)
			if len(marks) == 0 {
				t.Errorf("%s: %s marks no column", v.Title(), name)
			}
			for _, m := range marks {
				if !slices.ContainsFunc(v.Columns(), func(c view.Column) bool { return c.Title == m }) {
					t.Errorf("%s: there is no column %s", v.Title(), m)
				}
			}
			var there, back []view.Identity
			for n := range u.tabs.tab(i).list.Len() {
				there = append(there, u.tabs.tab(i).list.ID(n))
			}
			press(u, "r")
			for n := range u.tabs.tab(i).list.Len() {
				back = append(back, u.tabs.tab(i).list.ID(n))
			}
			if u.tabs.tab(i).list.Len() > 1 && slices.Equal(there, back) && len(distinct(u.tabs.tab(i).list)) > 1 && k == 0 {
				t.Errorf("%s: reversing %s changes nothing", v.Title(), name)
			}
			press(u, "r", "s")
		}
		if u.tabs.all[i].sorting.By != 0 {
			t.Errorf("%s: s does not come round", v.Title())
		}
		press(u, "S")
		if u.tabs.all[i].sorting.By != v.Orderings()-1 {
			t.Errorf("%s: S does not go back", v.Title())
		}
	}
	u := shopUI(80, 24, Options{View: "connections"})
	if l := u.selectedLine(); !strings.Contains(l, "250k") {
		t.Errorf("the busiest is not first: %q", l)
	}
}

func distinct(v view.List) map[view.Identity]bool {
	m := map[view.Identity]bool{}
	for i := range v.Len() {
		m[v.ID(i)] = true
	}
	return m
}

func TestFilter(t *testing.T) {
	u := shopUI(80, 24, Options{View: "connections", ParseFilter: portFilter})
	press(u, "/", "4", "0", "0", "0")
	if n := u.tabs.tab(view.Connections).list.Len(); n != 2 {
		t.Errorf("while it is typed: %d connections\n%s", n, u)
	}
	if !strings.Contains(u.String(), "filter: 4000_") {
		t.Errorf("got\n%s", u)
	}
	press(u, "backspace", "ctrl+u")
	if n := u.tabs.tab(view.Connections).list.Len(); n != 6 {
		t.Errorf("taken back: %d connections", n)
	}
	for _, r := range "wrong" {
		press(u, string(r))
	}
	if !strings.Contains(u.String(), "no such word") {
		t.Errorf("got\n%s", u)
	}
	if press(u, "enter"); u.foot.prompt == nil {
		t.Error("a wrong word is taken")
	}
	press(u, "ctrl+u", "q", "esc") // q is a letter here
	if u.filter.text != "" || u.tabs.tab(view.Connections).list.Len() != 6 {
		t.Errorf("esc leaves the filter %q", u.filter.text)
	}
	press(u, "/", "n", "o", "d", "e", "enter")
	u.Frame(shopFrame(20))
	if n := u.tabs.tab(view.Connections).list.Len(); n != 3 || !strings.Contains(u.String(), "filter: node") {
		t.Errorf("%d connections of node\n%s", n, u)
	}
	press(u, "/", "ctrl+u", "z", "z", "enter")
	if !strings.Contains(u.String(), "nothing matches the filter zz") {
		t.Errorf("got\n%s", u)
	}
	press(u, "esc")
	if n := u.tabs.tab(view.Connections).list.Len(); n != 6 {
		t.Errorf("esc does not take it away: %d", n)
	}
	// What is pasted is typed where something is being typed, and nowhere else.
	u.Paste("Kyq")
	if u.foot.prompt != nil {
		t.Error("a paste works as keys")
	}
	press(u, "/")
	u.Paste("40\n00\x1b")
	if got := u.filter.text; got != "4000" {
		t.Errorf("pasted: %q", got)
	}
	if _, err := newUI(Options{Filter: "wrong", ParseFilter: portFilter}); err == nil {
		t.Error("it begins with a filter that cannot be read")
	}
}

func TestEndAsks(t *testing.T) {
	u := shopUI(80, 24, Options{View: "listeners"})
	press(u, "down") // nginx, two processes
	if es := press(u, "K"); len(es) != 0 {
		t.Fatalf("K alone does %v", es)
	}
	if !strings.Contains(u.String(), "end nginx[10]? y/N  (1 of 2, tab: next)") {
		t.Errorf("got\n%s", u)
	}
	for _, no := range []string{"n", "esc", "enter", "q", "K", "x", "ctrl+c"} {
		if u.foot.prompt == nil {
			press(u, "K")
		}
		if es := press(u, no); len(es) != 0 || u.foot.prompt != nil {
			t.Errorf("%s: does %v", no, es)
		}
	}
	es := press(u, "K", "tab", "y")
	if len(es) != 1 || es[0] != effect(end{shop.Nginx2, false}) {
		t.Fatalf("y: %v", es)
	}
	// It does not end: KILL is offered, and asked for.
	u.Ended(end{shop.Nginx2, false}, false, nil)
	if !strings.Contains(u.String(), "nginx[11] goes on: end it with KILL") {
		t.Errorf("got\n%s", u)
	}
	if es := press(u, "y"); len(es) != 1 || es[0] != effect(end{shop.Nginx2, true}) {
		t.Errorf("y: %v", es)
	}
	u.Ended(end{shop.Nginx2, true}, true, nil)
	if !strings.Contains(u.String(), "nginx[11] has ended") {
		t.Errorf("got\n%s", u)
	}
	u.Ended(end{shop.Nginx2, false}, false, errors.New("end process 11: operation\nnot permitted"))
	if !strings.Contains(u.String(), "end process 11: operation not permitted") {
		t.Errorf("got\n%s", u)
	}
	// The process is the one that was asked about, wherever rows move.
	press(u, "K")
	u.Frame(&view.Frame{Time: at0.Add(time.Minute)})
	if es := press(u, "y"); len(es) != 1 || es[0].(end).process != shop.Nginx1 {
		t.Errorf("y after the list changed: %v", es)
	}
	// Of what cannot be seen or is held by nobody, nothing is asked.
	u = shopUI(80, 24, Options{View: "listeners", ParseFilter: portFilter, Filter: "5432"})
	press(u, "K")
	if u.foot.prompt != nil || !strings.Contains(u.String(), "needs root or the helper") {
		t.Errorf("got\n%s", u)
	}
}

// lodge's own processes are not offered, whatever they hold.
func TestEndOffersNothingOfLodge(t *testing.T) {
	own := func(pids ...int) Options {
		return Options{View: "listeners", Own: func(p *sockets.Process) string {
			if slices.Contains(pids, p.PID) {
				return "keeper"
			}
			return ""
		}}
	}
	u := shopUI(80, 24, own(shop.Nginx1.PID))
	press(u, "down")
	if es := press(u, "K", "y"); len(es) != 1 || es[0] != effect(end{shop.Nginx2, false}) {
		t.Errorf("one of two: %v", es)
	}
	u = shopUI(80, 24, own(shop.Nginx1.PID, shop.Nginx2.PID))
	press(u, "down")
	if es := press(u, "K"); len(es) != 0 || u.foot.prompt != nil || !strings.Contains(u.String(), "is lodge's own") {
		t.Errorf("both: %v\n%s", es, u)
	}
	// The daemon's word is enough.
	u = shopUI(80, 24, own())
	f := *u.facts.frame
	f.Projects = append(slices.Clone(f.Projects), localapi.Project{Name: "other", KeeperPID: shop.Nginx1.PID}, localapi.Project{Name: "more", KeeperPID: shop.Nginx2.PID})
	u.Frame(&f)
	press(u, "home", "down")
	if es := press(u, "K", "y"); len(es) != 0 {
		t.Errorf("keepers: %v\n%s", es, u)
	}
}

func TestPause(t *testing.T) {
	u := shopUI(80, 24, Options{View: "connections"})
	if es := press(u, "p"); len(es) != 1 || es[0] != effect(hold{true}) || !strings.Contains(u.String(), "PAUSED") {
		t.Errorf("p: %v\n%s", es, u)
	}
	if es := press(u, "p"); len(es) != 1 || es[0] != effect(hold{false}) || strings.Contains(u.String(), "PAUSED") {
		t.Errorf("p again: %v\n%s", es, u)
	}
	u.Frame(shopFrame(1000))
	if strings.Contains(u.String(), "250k") {
		t.Errorf("a rate over the pause:\n%s", u)
	}
}

// An answer for a pane that is gone goes nowhere.
func TestLateAnswers(t *testing.T) {
	u := shopUI(80, 24, Options{View: "projects"})
	press(u, "end", "e")
	n := u.panes.open.number
	if es := press(u, "esc"); len(es) != 1 || es[0] != effect(leave{n}) {
		t.Errorf("esc: %v", es)
	}
	before := u.String()
	u.Explained(n, "late", nil)
	u.Logged(n, nil, 1)
	u.Unfollowed(n, errors.New("late"))
	press(u, "?")
	u.Explained(n, "late", nil)
	press(u, "esc")
	if got := u.String(); got != before {
		t.Errorf("got\n%s", got)
	}
}

func TestPaneScrolls(t *testing.T) {
	u := shopUI(80, 13, Options{View: "projects"})
	press(u, "end", "f")
	n := u.panes.open.number
	add := func(from, to int) {
		for i := from; i < to; i++ {
			u.panes.open.text.Add(screen.Plain.Line(strings.Repeat("x", i)))
		}
	}
	add(1, 50)
	last := func() string {
		ls := u.Lines()
		return ls[len(ls)-2].String()
	}
	if last() != strings.Repeat("x", 49) {
		t.Errorf("the end is not in view: %q", last())
	}
	press(u, "up", "up")
	add(50, 60)
	if last() != strings.Repeat("x", 47) {
		t.Errorf("scrolled away, it moves: %q", last())
	}
	press(u, "end")
	add(60, 70)
	if last() != strings.Repeat("x", 69) {
		t.Errorf("it does not follow again: %q", last())
	}
	u.Resize(40, 10)
	if got := last(); got != strings.Repeat("x", 29) {
		t.Errorf("after a resize: %q", got)
	}
	u.Resize(80, 13)
	u.Unfollowed(n, errors.New("the project went down"))
	if !strings.Contains(u.String(), "the project went down") {
		t.Errorf("got\n%s", u)
	}
}

// No key, frame or size makes a screen that is not a screen.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03"), uint8(80), uint8(24))
	f.Add([]byte("jjjKy/40\x05"), uint8(40), uint8(10))
	keys := []string{"up", "down", "pgup", "pgdown", "home", "end", "tab", "shift+tab", "enter", "esc", "backspace", "space", "ctrl+l", "ctrl+z", "left", "right", "ctrl+u", "ctrl+w", "日", "\x1b"}
	f.Fuzz(func(t *testing.T, b []byte, w, h uint8) {
		u := shopUI(int(w), int(h), Options{ParseFilter: portFilter})
		for i, c := range b {
			if i > 200 {
				break
			}
			if int(c) < len(keys) {
				press(u, keys[c])
			} else {
				press(u, string(rune(c)))
			}
			if c%7 == 0 {
				u.Frame(shopFrame(12 + i))
			}
			ls := u.Lines()
			if len(ls) > int(h) {
				t.Fatalf("%d lines for %d", len(ls), h)
			}
			for _, l := range ls {
				if table.Width(l.String()) > int(w) {
					t.Fatalf("%q is wider than %d", l.String(), w)
				}
			}
		}
	})
}
