package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that the test turns.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string, o Options) (*Store, *clock) {
	t.Helper()
	st, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: noon}
	st.now = c.now
	t.Cleanup(func() { st.Close() })
	return st, c
}

func texts(lines []Line) []string {
	out := []string{}
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func readAll(t testing.TB, dir string, q Query) []Line {
	t.Helper()
	var out []Line
	for l, err := range Read(dir, q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	if len(got)+len(want) > 40 {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
		return
	}
	t.Errorf("%s: %q, want %q", what, got, want)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriterLines(t *testing.T) {
	long := strings.Repeat("x", MaxText)
	for name, c := range map[string]struct {
		chunks []string // "F" is a Flush
		want   []string
	}{
		"lines":                       {[]string{"a\nb\n"}, []string{"a", "b"}},
		"in pieces":                   {[]string{"a", "b", "c\nd", "e\n"}, []string{"abc", "de"}},
		"no end":                      {[]string{"a\nb"}, []string{"a", "b"}},
		"empty lines":                 {[]string{"\n\na\n\n"}, []string{"", "", "a", ""}},
		"CR LF":                       {[]string{"a\r\nb\r\n"}, []string{"a", "b"}},
		"CR LF cut in two":            {[]string{"a\r", "\nb\r", "\n"}, []string{"a", "b"}},
		"CR CR LF":                    {[]string{"a\r\r\n"}, []string{"a"}},
		"progress bar":                {[]string{"10%\r", "20%\r", "100%\ndone\n"}, []string{"100%", "done"}},
		"progress bar at once":        {[]string{"\r10%\r20%\r100%\r\ndone\n"}, []string{"100%", "done"}},
		"progress bar with no end":    {[]string{"10%\r20%\r"}, []string{"20%"}},
		"only CR":                     {[]string{"\r\r", "\r", "x\n"}, []string{"x"}},
		"prompt":                      {[]string{"name? ", "F", "\nnext\n"}, []string{"name? ", "next"}},
		"half a character":            {[]string{"a\xf0\x9f", "F", "\x99\x82b", "F", "\xc5", "F", "\xbc\n"}, []string{"a", "🙂b", "ż"}},
		"half a character, no more":   {[]string{"a\xe9", "F", "F"}, []string{"a", "\xe9"}},
		"another encoding":            {[]string{"\xe9t\xe9 ", "F", "x\n"}, []string{"\xe9t\xe9 ", "x"}},
		"prompt and CR LF":            {[]string{"name? ", "F", "\r\nnext\n"}, []string{"name? ", "next"}},
		"prompt and answer":           {[]string{"name? ", "F", "me\n"}, []string{"name? ", "me"}},
		"prompt and empty line":       {[]string{"name? ", "F", "F", "\n\nx\n"}, []string{"name? ", "", "x"}},
		"as long as may be":           {[]string{long + "\n"}, []string{long}},
		"longer":                      {[]string{long + long + "yz\n"}, []string{long, long, "yz"}},
		"longer, in pieces":           {[]string{long, "y", "z\n", "end\n"}, []string{long, "yz", "end"}},
		"longer, ends with the piece": {[]string{long, "y", "\nend\n"}, []string{long, "y", "end"}},
		"a character is not cut":      {[]string{long[1:] + "é\n"}, []string{long[1:], "é"}},
		"bytes":                       {[]string{"\xff\x00\xfe\n"}, []string{"\xff\x00\xfe"}},
		"nothing":                     {[]string{"", ""}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			st, clock := open(t, dir, Options{})
			w := st.Writer("web")
			for _, chunk := range c.chunks {
				if chunk == "F" {
					clock.add(time.Second)
					st.Flush(time.Second)
					continue
				}
				if n, err := w.Write([]byte(chunk)); n != len(chunk) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := st.Tail("web", 10); len(got) != len(c.want) {
				t.Errorf("tail before the end: %q", texts(got))
			}
			check(t, w.Close())
			check(t, w.Close())
			equal(t, "memory", texts(st.Tail("web", 10)), c.want)
			equal(t, "disk", texts(readAll(t, dir, Query{})), c.want)
			equal(t, "end of disk", texts(readAll(t, dir, Query{Tail: 10})), c.want)
		})
	}
}

func TestFormat(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	st, clock := open(t, dir, Options{})
	w := st.Writer("web")
	fmt.Fprint(w, "one\n")
	clock.add(1500 * time.Millisecond)
	fmt.Fprint(w, "two\xff\n")
	clock.add(-time.Second) // the clock goes back a little: the log does not
	fmt.Fprint(w, "three\n")
	clock.add(-time.Hour) // and much
	fmt.Fprint(w, "four\n")
	got, err := os.ReadFile(filepath.Join(dir, "web.log"))
	check(t, err)
	want := "2026-03-04T12:00:00.000000000Z one\n2026-03-04T12:00:01.500000000Z two\xff\n2026-03-04T12:00:01.500000000Z three\n2026-03-04T11:00:00.500000000Z four\n"
	if string(got) != want {
		t.Errorf("%q", got)
	}
	equal(t, "order", texts(readAll(t, dir, Query{})), []string{"one", "two\xff", "three", "four"})
	for file, mode := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "web.log"): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode of %s: %v %v", file, info.Mode(), err)
		}
	}
	line := readAll(t, dir, Query{})[1]
	js, err := json.Marshal(line)
	check(t, err)
	if want := `{"time":"2026-03-04T12:00:01.5Z","service":"web","text":"two` + `\ufffd` + `"}`; string(js) != want {
		t.Errorf("%s", js)
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	st, _ := open(t, dir, Options{})
	names := []string{"", ".", "..", "../../etc/x", "a b", "a.log", "a.log.1", "web", "%", "%2F", "é", ".hidden", "UP"}
	for _, name := range names {
		w := st.Writer(name)
		fmt.Fprintln(w, name)
		check(t, w.Close())
	}
	slices.Sort(names)
	got, err := Services(dir)
	check(t, err)
	equal(t, "services", got, names)
	for _, l := range readAll(t, dir, Query{}) {
		if l.Text != l.Service {
			t.Errorf("%q in the log of %q", l.Text, l.Service)
		}
	}
	for _, bad := range []string{"x", "x.log.0", "x.log.01", "x.log.-1", "%zz.log", "%6.log", "%61.log", "x.1"} {
		if s, n, ok := serviceOf(bad); ok {
			t.Errorf("%q is taken for service %q number %d", bad, s, n)
		}
	}
	if _, err := Services(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, err := range Read(filepath.Join(dir, "none"), Query{}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	st, clock := open(t, dir, Options{MaxBytes: 1000, Keep: 2})
	w := st.Writer("web")
	var all []string
	for i := range 200 {
		clock.add(time.Second)
		text := fmt.Sprintf("line %03d", i)
		fmt.Fprintln(w, text)
		all = append(all, text)
	}
	entries, err := os.ReadDir(dir)
	check(t, err)
	if len(entries) != 3 {
		t.Errorf("files: %v", entries)
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Size() > 1000 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, %v", e.Name(), info.Size(), info.Mode())
		}
	}
	got := texts(readAll(t, dir, Query{}))
	if len(got) < 50 || len(got) > 75 {
		t.Errorf("%d lines are left", len(got))
	}
	equal(t, "the last lines", got, all[len(all)-len(got):])
	for _, n := range []int{1, 24, 25, 26, 50, 60} {
		if n <= len(got) {
			equal(t, "tail", texts(readAll(t, dir, Query{Tail: n})), all[len(all)-n:])
		}
	}
	since := noon.Add(160 * time.Second)
	equal(t, "since", texts(readAll(t, dir, Query{Since: since})), all[159:])
	equal(t, "until", texts(readAll(t, dir, Query{Since: since, Until: since.Add(time.Second)})), all[159:161])
	equal(t, "tail until", texts(readAll(t, dir, Query{Tail: 3, Until: since})), all[157:160])
	equal(t, "tail since", texts(readAll(t, dir, Query{Tail: 100, Since: since})), all[159:])

	// Less is kept from now on.
	check(t, w.Close())
	st2, _ := open(t, dir, Options{MaxBytes: 1000, Keep: 1})
	fmt.Fprintln(st2.Writer("web"), "x")
	if _, err := os.Stat(filepath.Join(dir, "web.log.2")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the second old file is still there")
	}
	st3, _ := open(t, dir, Options{MaxBytes: 100, Keep: -1})
	w3 := st3.Writer("web")
	for range 20 {
		fmt.Fprintln(w3, "y")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("with none to keep: %v", entries)
	}
}

func TestMerge(t *testing.T) {
	dir := t.TempDir()
	st, clock := open(t, dir, Options{MaxBytes: 500, Keep: 9})
	ws := []*Writer{st.Writer("a"), st.Writer("b"), st.Writer("c")}
	var onlyA []string
	for i := range 60 {
		if i%4 != 0 { // some have the same time
			clock.add(time.Millisecond)
		}
		w := ws[i*7%3]
		if i%4 == 0 {
			w = ws[2] // ties go by name
		}
		text := fmt.Sprint(i)
		fmt.Fprintln(w, text)
		if w == ws[0] {
			onlyA = append(onlyA, text)
		}
	}
	got := readAll(t, dir, Query{})
	if !slices.IsSortedFunc(got, func(a, b Line) int { return a.Time.Compare(b.Time) }) || len(got) != 60 {
		t.Errorf("not 60 lines in order: %q", texts(got))
	}
	equal(t, "one service", texts(readAll(t, dir, Query{Services: []string{"a", "nobody"}})), onlyA)
	for n := 1; n <= 61; n++ {
		equal(t, fmt.Sprint("tail ", n), texts(readAll(t, dir, Query{Tail: n})), texts(got[max(0, 60-n):]))
	}
	for l := range Read(dir, Query{}) { // it can be left early
		if l.Text == "5" {
			break
		}
	}
}

// TestBigFile compares bisection and the way from the end with reading it all.
func TestBigFile(t *testing.T) {
	dir := t.TempDir()
	st, clock := open(t, dir, Options{MaxBytes: 3 << 20, Keep: 5})
	w := st.Writer("web")
	var chunk strings.Builder
	n := 0
	for range 1500 {
		chunk.Reset()
		for range 50 {
			fmt.Fprintf(&chunk, "line %06d %s\n", n, strings.Repeat("y", n%200))
			n++
		}
		if n%20000 == 0 {
			chunk.WriteString(strings.Repeat("L", MaxText) + "\n")
		}
		clock.add(time.Second)
		fmt.Fprint(w, chunk.String())
	}
	all := readAll(t, dir, Query{})
	if len(all) < n {
		t.Fatalf("%d lines, want %d", len(all), n)
	}
	for _, back := range []int{1, 10, 12345, 40000} {
		equal(t, "tail", texts(readAll(t, dir, Query{Tail: back})), texts(all[len(all)-back:]))
	}
	for _, second := range []int{0, 1, 2, 700, 1234, 1500, 1501} {
		since := noon.Add(time.Duration(second) * time.Second)
		i := slices.IndexFunc(all, func(l Line) bool { return !l.Time.Before(since) })
		if i < 0 {
			i = len(all)
		}
		equal(t, "since", texts(readAll(t, dir, Query{Since: since})), texts(all[i:]))
	}
}

func TestRepair(t *testing.T) {
	const good = "2026-03-04T12:00:00.000000000Z good\n"
	for name, c := range map[string]struct {
		end  string
		want []string // what the reader sees after the writer added "new"
	}{
		"whole":              {"", []string{"good", "new"}},
		"cut in the time":    {"2026-03-04T12:0", []string{"good", "new"}},
		"cut after the time": {"2026-03-04T12:00:00.000000000Z", []string{"good", "new"}},
		"cut in the text":    {"2026-03-04T12:00:00.000000000Z hal", []string{"good", "hal", "new"}},
		"zeros":              {strings.Repeat("\x00", 5000), []string{"good", "new"}},
		"many zeros":         {strings.Repeat("\x00", 500_000), []string{"good", "new"}},
		"not ours":           {"what is this\n", []string{"good", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "web.log")
			check(t, os.WriteFile(file, []byte(good+c.end), 0o644))
			equal(t, "before the repair", texts(readAll(t, dir, Query{})), []string{"good"})
			equal(t, "its end", texts(readAll(t, dir, Query{Tail: 5})), []string{"good"})
			st, _ := open(t, dir, Options{})
			fmt.Fprintln(st.Writer("web"), "new")
			equal(t, "after", texts(readAll(t, dir, Query{})), c.want)
			equal(t, "its end", texts(readAll(t, dir, Query{Tail: 9})), c.want)
			if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
				t.Error(info.Mode())
			}
		})
	}
}

func TestOtherSpellings(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("2026-03-04T12:00:00Z a\n2026-03-04T13:00:00.5+01:00 b\nno time\n\n2026-13-04T12:00:00.000000000Z month\n2026-03-04T12:00:02.000000000Z \n"), 0o600))
	got := readAll(t, dir, Query{})
	equal(t, "lines", texts(got), []string{"a", "b", ""})
	if !got[1].Time.Equal(noon.Add(500 * time.Millisecond)) {
		t.Error(got[1].Time)
	}
}

func TestTailMemory(t *testing.T) {
	st, _ := open(t, t.TempDir(), Options{})
	w := st.Writer("web")
	var want []string
	for i := range 5000 {
		fmt.Fprintln(w, i)
		want = append(want, fmt.Sprint(i))
	}
	for _, n := range []int{0, 1, 500, 1000} {
		equal(t, "tail", texts(st.Tail("web", n)), want[5000-n:])
	}
	if n := len(st.Tail("web", 3000)); n != 1000 {
		t.Errorf("%d lines in memory", n)
	}
	if st.Tail("nobody", 10) != nil || st.Tail("web", -1) != nil {
		t.Error("lines out of nowhere")
	}
	big := strings.Repeat("x", 60_000)
	for range 100 {
		fmt.Fprintln(w, big)
	}
	s := st.stream("web")
	if size := cap(s.ring.cur) + cap(s.ring.old); size > 3<<20 {
		t.Errorf("long lines take %d bytes", size)
	}
}

func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	st, _ := open(t, dir, Options{})
	a, b := st.Writer("web"), st.Writer("web")
	fmt.Fprint(a, "from ")
	fmt.Fprint(b, "this is ")
	fmt.Fprint(a, "a\n")
	check(t, a.Close())
	fmt.Fprint(b, "b\n")
	check(t, b.Close())
	if s := st.stream("web"); s.file != nil {
		t.Error("the file is still open")
	}
	equal(t, "lines", texts(readAll(t, dir, Query{})), []string{"from a", "this is b"})
}

func TestClosedStore(t *testing.T) {
	dir := t.TempDir()
	st, _ := open(t, dir, Options{})
	w := st.Writer("web")
	f := st.Follow(nil)
	fmt.Fprint(w, "one\ntwo")
	check(t, st.Close())
	check(t, st.Close())
	fmt.Fprint(w, "three\n")
	check(t, w.Close())
	equal(t, "disk", texts(readAll(t, dir, Query{})), []string{"one", "two"})
	equal(t, "memory", texts(st.Tail("web", 5)), []string{"one", "two", "three"})
	equal(t, "followed", drain(t, f, 99), []string{"one", "two"})
	if _, err := st.Follow(nil).Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	rf, err := st.ReadAndFollow(Query{})
	check(t, err)
	equal(t, "read and followed", drain(t, rf, 99), []string{"one", "two"})
	check(t, rf.Close())
}

// drain reads until n lines are there or the end.
func drain(t *testing.T, f *Follow, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := []string{}
	for len(out) < n {
		l, err := f.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v after %d lines", err, len(out))
		}
		out = append(out, l.Text)
	}
	return out
}

func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
				return
			}
		}
	})
}

// TestPieces: what belongs to one line says so, on disk, in memory and live.
func TestPieces(t *testing.T) {
	dir := t.TempDir()
	st, err := Open(dir, Options{})
	check(t, err)
	defer st.Close()
	f := st.Follow(nil)
	defer f.Close()
	w := st.Writer("web")
	long := strings.Repeat("x", MaxText)
	for _, piece := range []string{long, long + "y", "\nwhole\n", "prompt> "} {
		_, _ = w.Write([]byte(piece))
	}
	w.Note("[lodge] said meanwhile")
	_, _ = w.Write([]byte("answer\n10%"))
	w.Flush()
	_, _ = w.Write([]byte("\r20%\n"))
	check(t, w.Close())
	want := []string{
		fmt.Sprint(MaxText, " partial"), fmt.Sprint(MaxText, " partial continuation"), "1 continuation", "5", "8",
		"22 note", "6 continuation", "3", "3",
	}
	kinds := func(ls []Line) (out []string) {
		for _, l := range ls {
			k := fmt.Sprint(len(l.Text))
			for _, m := range []struct {
				is   bool
				name string
			}{{l.Partial, " partial"}, {l.Continuation, " continuation"}, {l.Note, " note"}} {
				if m.is {
					k += m.name
				}
			}
			out = append(out, k)
		}
		return out
	}
	equal(t, "on disk", kinds(readAll(t, dir, Query{})), want)
	equal(t, "in memory", kinds(st.Tail("web", 100)), want)
	var live []Line
	for range want {
		l, err := f.Next(context.Background())
		check(t, err)
		live = append(live, l)
	}
	equal(t, "live", kinds(live), want)
}

// TestClockSetBack: what was said after the first line that counts is part of
// the answer, whatever the clock was then.
func TestClockSetBack(t *testing.T) {
	dir := t.TempDir()
	st, err := Open(dir, Options{MaxBytes: 2000, Keep: 50})
	check(t, err)
	defer st.Close()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	st.now = func() time.Time { return at }
	w := st.Writer("web")
	var all []string
	say := func(n int) {
		for range n {
			at = at.Add(time.Second)
			all = append(all, fmt.Sprintf("line %d", len(all)))
			_, _ = fmt.Fprintln(w, all[len(all)-1])
		}
	}
	say(100)
	since := at.Add(time.Millisecond)
	say(100)
	at = at.Add(-time.Hour)
	say(100)
	at = at.Add(3 * time.Hour)
	say(100)
	at = at.Add(-24 * time.Hour)
	say(50)
	equal(t, "since", texts(readAll(t, dir, Query{Since: since})), all[100:])
	equal(t, "tail since", texts(readAll(t, dir, Query{Since: since, Tail: 1000})), all[100:])
	equal(t, "short tail since", texts(readAll(t, dir, Query{Since: since, Tail: 60})), all[len(all)-60:])
	f, err := st.ReadAndFollow(Query{Since: since})
	check(t, err)
	defer f.Close()
	at = at.Add(-24 * time.Hour)
	say(5)
	var got []string
	for range all[100:] {
		l, err := f.Next(context.Background())
		check(t, err)
		got = append(got, l.Text)
	}
	equal(t, "followed", got, all[100:])
}
