package track

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lodge/internal/sockets"
)

// limit is for waiting, on a machine with much else to do.
const limit = time.Minute

// table makes a table with a listener for each port.
func table(ports ...uint16) *sockets.Table {
	t := &sockets.Table{}
	for _, p := range ports {
		t.Rows = append(t.Rows, sockets.Row{
			Protocol: "tcp", State: "listen", Cookie: uint64(p),
			Local:     &sockets.Address{IP: netip.MustParseAddr("127.0.0.1"), Port: p},
			Processes: []*sockets.Process{{PID: 7, Start: 9, Name: "web"}},
		})
	}
	return t
}

// script is a Read that returns one table after another: the n-th call has the
// ports 1 to n, or an error.
type script struct {
	t     testing.TB
	calls atomic.Int64
	busy  atomic.Bool
	fails func(n int) bool
}

func (s *script) read(ctx context.Context) (*sockets.Table, int, error) {
	if s.busy.Swap(true) {
		s.t.Error("two readings at once")
	}
	defer s.busy.Store(false)
	n := int(s.calls.Add(1))
	if err := ctx.Err(); err != nil {
		return nil, n, err
	}
	if s.fails != nil && s.fails(n) {
		return nil, n, fmt.Errorf("reading %d fails", n)
	}
	var ports []uint16
	for p := range min(n, 60000) {
		ports = append(ports, uint16(p+1))
	}
	return table(ports...), n, nil
}

func next(t testing.TB, s *Subscription[int]) Update[int] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	u, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSubscribersShareReadings(t *testing.T) {
	r := &script{t: t}
	tr := New(Options[int]{Interval: time.Millisecond, Read: r.read, Demand: true})
	if r.calls.Load() != 0 {
		t.Error("read without a subscriber")
	}
	a := tr.Subscribe(SubscribeOptions{Changes: true})
	defer a.Close()
	first := next(t, a)
	if first.Number != 1 || first.Extra != 1 || len(first.Table.Rows) != 1 || first.Changes != nil || first.Time.IsZero() {
		t.Errorf("%+v", first)
	}
	b := tr.Subscribe(SubscribeOptions{Changes: true, Buffer: 1 << 20})
	defer b.Close()
	tables := map[uint64]*sockets.Table{}
	for range 5 {
		u := next(t, b)
		tables[u.Number] = u.Table
	}
	for range 5 {
		u := next(t, a)
		if len(u.Changes) != int(u.Extra)-int(first.Extra) || u.Changes[0].Kind != Open {
			t.Errorf("reading %d after %d: %d changes", u.Extra, first.Extra, len(u.Changes))
		}
		if other := tables[u.Number]; other != nil && other != u.Table {
			t.Errorf("reading %d is another table for each", u.Number)
		}
		first = u
	}
}

// A subscriber that takes nothing holds up neither the poller nor the others, and
// is told what it missed.
func TestSlowSubscriber(t *testing.T) {
	r := &script{t: t}
	tr := New(Options[int]{Interval: time.Millisecond, Read: r.read})
	slow := tr.Subscribe(SubscribeOptions{Changes: true})
	defer slow.Close()
	start := next(t, slow)
	fast := tr.Subscribe(SubscribeOptions{Buffer: 1 << 20})
	defer fast.Close()
	for {
		if u := next(t, fast); u.Extra >= start.Extra+10 {
			break
		}
	}
	u := next(t, slow)
	if u.Extra < start.Extra+10 || u.Skipped != u.Extra-start.Extra-1 || u.Lost != u.Skipped {
		t.Errorf("reading %d after %d: %d readings skipped, %d changes lost", u.Extra, start.Extra, u.Skipped, u.Lost)
	}
	// What is left of the changes leads from one table to the other.
	if len(u.Changes) != len(u.Table.Rows)-len(start.Table.Rows) {
		t.Errorf("%d changes from %d sockets to %d", len(u.Changes), len(start.Table.Rows), len(u.Table.Rows))
	}
	if again := next(t, slow); again.Extra <= u.Extra {
		t.Errorf("reading %d after %d", again.Extra, u.Extra)
	}
}

// Readings begin with the first subscriber and end with the last.
func TestStopsWithTheLastSubscriber(t *testing.T) {
	r := &script{t: t}
	tr := New(Options[int]{Interval: time.Millisecond, Read: r.read})
	for round := range 3 {
		a, b := tr.Subscribe(SubscribeOptions{Changes: true}), tr.Subscribe(SubscribeOptions{})
		first := next(t, a)
		if first.Changes != nil || first.Extra <= round {
			t.Errorf("round %d begins with reading %d and changes %+v", round, first.Extra, first.Changes)
		}
		a.Close()
		next(t, b)
		next(t, b) // goes on for the other
		b.Close()
		b.Close()
		select {
		case <-tr.done:
		default:
			t.Error("Close did not wait for the poller")
		}
		if _, err := a.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// A reading in progress is given up when the last subscriber leaves.
func TestCloseEndsReading(t *testing.T) {
	begun := make(chan struct{})
	tr := New(Options[int]{Interval: time.Hour, Read: func(ctx context.Context) (*sockets.Table, int, error) {
		close(begun)
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}})
	s := tr.Subscribe(SubscribeOptions{})
	<-begun
	s.Close()
}

func TestNextEnds(t *testing.T) {
	tr := New(Options[int]{Interval: time.Hour, Read: func(ctx context.Context) (*sockets.Table, int, error) {
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}})
	s := tr.Subscribe(SubscribeOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	result := make(chan error)
	go func() {
		_, err := s.Next(t.Context())
		result <- err
	}()
	s.Close()
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestDemandAndHold(t *testing.T) {
	r := &script{t: t}
	tr := New(Options[int]{Interval: time.Millisecond, Read: r.read, Demand: true})
	s := tr.Subscribe(SubscribeOptions{})
	defer s.Close()
	first := next(t, s)
	tr.Hold(true)
	if !tr.Held() || tr.begin(true) {
		t.Error("a reading begins while held")
	}
	// A reading that had begun before may still come.
	before := r.calls.Load()
	tr.Now()
	if tr.begin(false) {
		t.Error("Now begins a reading while held")
	}
	if n := r.calls.Load(); n > before+1 {
		t.Errorf("%d readings while held", n-before)
	}
	tr.Hold(false)
	if u := next(t, s); u.Extra <= first.Extra {
		t.Errorf("reading %d after %d", u.Extra, first.Extra)
	}
	// Until it is taken the next reading does not begin.
	for !full(tr, s) {
		<-s.ready
	}
	if tr.begin(true) {
		t.Error("a reading begins, and the one before was not taken")
	}
	next(t, s)
	next(t, s)
}

func full(tr *Tracker[int], s *Subscription[int]) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return !s.hasRoom()
}

// Now does not wait for the interval.
func TestNow(t *testing.T) {
	r := &script{t: t}
	tr := New(Options[int]{Interval: 1000 * time.Hour, Read: r.read})
	s := tr.Subscribe(SubscribeOptions{Buffer: 4})
	defer s.Close()
	for n := 1; n <= 3; n++ {
		if u := next(t, s); u.Extra != n {
			t.Fatalf("reading %d, want %d", u.Extra, n)
		}
		tr.Now()
	}
}

// An error is told, and the readings and changes go on after it.
func TestReadingFails(t *testing.T) {
	r := &script{t: t, fails: func(n int) bool { return n == 2 || n == 3 }}
	tr := New(Options[int]{Interval: time.Millisecond, Read: r.read})
	s := tr.Subscribe(SubscribeOptions{Changes: true, Buffer: 1 << 20})
	defer s.Close()
	next(t, s)
	for n := 2; n <= 3; n++ {
		if u := next(t, s); u.Err == nil || u.Table != nil || u.Extra != n || u.Changes != nil {
			t.Errorf("%+v", u)
		}
	}
	if u := next(t, s); u.Err != nil || len(u.Changes) != 3 || u.Lost != 0 {
		t.Errorf("after the errors: %+v", u)
	}
}

func TestPause(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		rest     int
		took     time.Duration
		want     time.Duration
	}{
		{time.Second, 0, 100 * time.Millisecond, 900 * time.Millisecond},
		{time.Second, 0, 3 * time.Second, time.Second},
		{time.Second, 4, 100 * time.Millisecond, 900 * time.Millisecond},
		{time.Second, 4, 300 * time.Millisecond, 1200 * time.Millisecond},
		{time.Second, 4, 2 * time.Second, 8 * time.Second},
		{0, 0, time.Microsecond, time.Millisecond}, // never a busy loop
	} {
		o := Options[int]{Interval: c.interval, Rest: c.rest}
		if got := o.pause(c.took); got != c.want {
			t.Errorf("%v, rest %d, took %v: %v, want %v", c.interval, c.rest, c.took, got, c.want)
		}
	}
}

// Subscribers may come and go at any moment; readings never overlap.
func TestManySubscribers(t *testing.T) {
	r := &script{t: t}
	tr := New(Options[int]{Interval: time.Millisecond, Read: r.read})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				s := tr.Subscribe(SubscribeOptions{Changes: i%2 == 0, Buffer: i})
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				if _, err := s.Next(ctx); err != nil {
					t.Error(err)
				}
				cancel()
				s.Close()
			}
		})
	}
	wg.Wait()
	if len(tr.subs) != 0 || tr.stop != nil || tr.last != nil {
		t.Errorf("%+v is left", tr)
	}
}
