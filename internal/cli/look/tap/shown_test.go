package tap

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lodge/internal/decode"
	"lodge/internal/tap"
)

// slowOut takes a minute for each record.
type slowOut struct{ records int }

func (o *slowOut) record(x *tap.Record) error {
	time.Sleep(time.Minute)
	o.records++
	return nil
}

func (o *slowOut) flush() error             { return nil }
func (o *slowOut) close(*tap.Account) error { return nil }

// TestShownOfFile holds that nothing of a file is left out where standard output is read
// slowly, that what waits is bounded, and that the user can end it.
func TestShownOfFile(t *testing.T) {
	record := func(n int) *tap.Record {
		return &tap.Record{Number: 1, Exchange: &decode.Exchange{Request: decode.Message{Body: make([]byte, n)}}}
	}
	synctest.Test(t, func(t *testing.T) {
		var out slowOut
		s := newShown(t.Context(), &out, true, func(err error) { t.Error(err) })
		for range 40 {
			if err := s.record(record(4 << 20)); err != nil {
				t.Fatal(err)
			}
			if n := s.bytes.Load(); n > maxShownBytes {
				t.Fatalf("%d bytes wait", n)
			}
		}
		_ = s.record(record(2 * maxShownBytes)) // alone
		if dropped, whole := s.drain(); dropped != 0 || !whole || out.records != 41 {
			t.Errorf("%d records, %d left out, whole %v", out.records, dropped, whole)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var out slowOut
		ctx, cancel := context.WithCancel(t.Context())
		s := newShown(ctx, &out, true, func(err error) { t.Error(err) })
		for range 3 {
			_ = s.record(record(1))
		}
		cancel()
		if dropped, whole := s.drain(); dropped != 3 || whole {
			t.Errorf("after Ctrl-C: %d left out, whole %v", dropped, whole)
		}
		<-s.ended
	})
	synctest.Test(t, func(t *testing.T) {
		var out slowOut
		s := newShown(t.Context(), &out, false, func(err error) { t.Error(err) })
		for range 3 {
			_ = s.record(record(1))
		}
		synctest.Wait()
		if dropped, whole := s.drain(); dropped != 3 || whole {
			t.Errorf("live: %d left out, whole %v", dropped, whole)
		}
		<-s.ended
	})
}
