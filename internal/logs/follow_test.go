package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFollow(t *testing.T) {
	noLeak(t)
	st, _ := open(t, t.TempDir(), Options{})
	a, b := st.Writer("a"), st.Writer("b")
	fmt.Fprintln(a, "before")
	all, onlyB := st.Follow(nil), st.Follow([]string{"b"})
	fmt.Fprint(a, "one\ntwo\n")
	fmt.Fprintln(b, "three")
	fmt.Fprintln(st.Writer("new"), "four")
	equal(t, "all", drain(t, all, 4), []string{"one", "two", "three", "four"})
	equal(t, "b", drain(t, onlyB, 1), []string{"three"})

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := all.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	done := make(chan error)
	go func() {
		_, err := all.Next(context.Background())
		done <- err
	}()
	check(t, all.Close())
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	fmt.Fprintln(b, "five")
	equal(t, "b", drain(t, onlyB, 1), []string{"five"})
	check(t, onlyB.Close())
	if list := *st.follows.Load(); len(list) != 0 {
		t.Errorf("%d follows are left", len(list))
	}
}

func TestFollowTooSlow(t *testing.T) {
	st, _ := open(t, t.TempDir(), Options{})
	w := st.Writer("web")
	f := st.Follow([]string{"web"})
	defer f.Close()
	for i := range followLines + 120 {
		fmt.Fprintln(w, i)
	}
	l, err := f.Next(context.Background())
	check(t, err)
	if l.Lost != 120 || l.Text != "120 lines lost" || l.Service != "web" || l.Time.IsZero() {
		t.Errorf("%+v", l)
	}
	got := drain(t, f, followLines)
	if got[0] != "120" || got[len(got)-1] != strconv.Itoa(followLines+119) {
		t.Errorf("from %s to %s", got[0], got[len(got)-1])
	}
	for range 200 { // long lines are bounded by their bytes
		fmt.Fprintln(w, strings.Repeat("x", MaxText))
	}
	if l, err := f.Next(context.Background()); err != nil || l.Lost != 200-followBytes/MaxText {
		t.Errorf("%d lost, %v", l.Lost, err)
	}
}

// progress says how far the readers of TestReadAndFollow are, so that the
// writers do not run away from them and nothing is lost on the way.
type progress struct {
	mu    sync.Mutex
	moved *sync.Cond
	n     [][2]int // lines of each service
	begun []bool
}

func (p *progress) set(reader int, n [2]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n[reader], p.begun[reader] = n, true
	p.moved.Broadcast()
}

func (p *progress) wait(until func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !until() {
		p.moved.Wait()
	}
}

// TestReadAndFollow: while two services write, a reader that joins at any time
// gets each line once, in order. The lines carry numbers.
func TestReadAndFollow(t *testing.T) {
	noLeak(t)
	st, err := Open(t.TempDir(), Options{MaxBytes: 64 << 10, Keep: 1000})
	check(t, err)
	defer st.Close()
	const lines, readers, ahead = 20_000, 6, 1500
	p := &progress{n: make([][2]int, readers), begun: make([]bool, readers)}
	p.moved = sync.NewCond(&p.mu)
	var wg sync.WaitGroup
	for service := range 2 {
		wg.Go(func() {
			w := st.Writer("s" + strconv.Itoa(service))
			defer w.Close()
			for i := 0; i < lines; i += 10 {
				p.wait(func() bool {
					for r := range p.n {
						if p.begun[r] && p.n[r][service] < i-ahead {
							return false
						}
					}
					return true
				})
				for j := range 10 {
					fmt.Fprintf(w, "%d\n", i+j)
				}
			}
		})
	}
	done := [2]int{lines, lines}
	read := func(r int) error {
		defer p.set(r, done) // let the others go on, also after an error
		f, err := st.ReadAndFollow(Query{})
		if err != nil {
			return err
		}
		defer f.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		var next [2]int
		for next != done {
			l, err := f.Next(ctx)
			if err != nil {
				return fmt.Errorf("at %v: %w", next, err)
			}
			s := 0
			if l.Service == "s1" {
				s = 1
			}
			if l.Lost != 0 || l.Text != strconv.Itoa(next[s]) {
				return fmt.Errorf("%+v, want %d", l, next[s])
			}
			next[s]++
			if (next[0]+next[1])%50 == 0 {
				p.set(r, next)
			}
		}
		return nil
	}
	for r := range readers {
		wg.Go(func() {
			if r > 0 { // each begins when the one before has come some way
				p.wait(func() bool { return p.n[r-1][0] > 2500*r })
			}
			p.set(r, [2]int{})
			if err := read(r); err != nil {
				t.Errorf("reader %d: %v", r, err)
			}
		})
	}
	wg.Wait()
}

func TestReadAndFollowQuery(t *testing.T) {
	dir := t.TempDir()
	st, clock := open(t, dir, Options{})
	w, other := st.Writer("web"), st.Writer("other")
	for i := range 10 {
		clock.add(time.Second)
		fmt.Fprintln(w, i)
		fmt.Fprintln(other, "no")
	}
	// Torn by a crash of an earlier writer, which this store has not opened.
	check(t, os.WriteFile(filepath.Join(dir, "old.log"), []byte("2026-03-04T12:00:00.000000000Z whole\n2026-03-04T12:00:01.0"), 0o600))
	old, err := st.ReadAndFollow(Query{Services: []string{"old"}})
	check(t, err)
	defer old.Close()
	f, err := st.ReadAndFollow(Query{Services: []string{"web"}, Tail: 3, Until: noon.Add(20 * time.Second)})
	check(t, err)
	defer f.Close()
	fmt.Fprintln(w, "new")
	equal(t, "tail and follow", drain(t, f, 4), []string{"7", "8", "9", "new"})
	fmt.Fprintln(w, "newer")
	clock.add(time.Hour)
	fmt.Fprintln(w, "too late")
	equal(t, "until", drain(t, f, 9), []string{"newer"})
	fmt.Fprintln(st.Writer("old"), "added")
	equal(t, "torn", drain(t, old, 2), []string{"whole", "added"})
	none, err := st.ReadAndFollow(Query{Services: []string{"later"}})
	check(t, err)
	defer none.Close()
	fmt.Fprintln(st.Writer("later"), "first")
	equal(t, "later", drain(t, none, 1), []string{"first"})
}

// TestFollowRotatedAway: a reader that is so slow that files are thrown away
// before it comes to them is told.
func TestFollowRotatedAway(t *testing.T) {
	st, _ := open(t, t.TempDir(), Options{MaxBytes: 2000, Keep: 1})
	w := st.Writer("web")
	for i := range 20 {
		fmt.Fprintln(w, i)
	}
	f, err := st.ReadAndFollow(Query{})
	check(t, err)
	defer f.Close()
	for i := 20; i < 1000; i++ {
		fmt.Fprintln(w, i)
	}
	next, gaps := 0, 0
	for next < 1000 {
		l, err := f.Next(context.Background())
		check(t, err)
		if l.Lost == -1 {
			gaps++
			continue
		}
		n, err := strconv.Atoi(l.Text)
		check(t, err)
		if n != next && gaps == 0 || n < next {
			t.Fatalf("%d after %d without a word", n, next)
		}
		next = n + 1
	}
	if gaps != 1 {
		t.Errorf("%d gaps were told of", gaps)
	}
}
