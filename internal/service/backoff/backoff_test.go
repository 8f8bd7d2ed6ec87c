package backoff

import "testing"

func TestWaitsGrowAndAreBounded(t *testing.T) {
	for range 50 {
		var b Backoff
		full := first
		for range 40 {
			if d := b.Next(); d > full || d < full-full/4 {
				t.Fatalf("got %v, want at most %v less a quarter", d, full)
			}
			if full *= 2; full > most || full == 128*first {
				full = most
			}
		}
		b.Reset()
		if d := b.Next(); d > first {
			t.Fatalf("after reset: %v", d)
		}
	}
}
