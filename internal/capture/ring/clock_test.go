package ring

import "testing"

// The offset stays where the reading of the clocks was interrupted, and changes when the
// time of day is set.
func TestClockIsSteady(t *testing.T) {
	var c clock
	for _, tt := range []struct {
		what string
		r    reading
		want int64
	}{
		{"the first reading", reading{1000, 51010, 1020}, 50000},
		{"the same", reading{2000, 52010, 2020}, 50000},
		{"interrupted before the time of day", reading{3000, 93000, 43001}, 50000},
		{"interrupted after it", reading{50000, 100001, 900000}, 50000},
		{"the time of day is set forward", reading{1000000, 2000010, 1000020}, 1000000},
		{"and back", reading{2000000, 2000010, 2000020}, 0},
	} {
		if c.take(tt.r); c.offset != tt.want {
			t.Errorf("%s: offset %d, want %d", tt.what, c.offset, tt.want)
		}
	}
	var d clock
	for range 1000 {
		first := d.offset
		if _, err := d.read(); err != nil {
			t.Fatal(err)
		}
		if first != 0 && d.offset != first {
			t.Errorf("the offset has changed by %d", d.offset-first) // or somebody sets the time of day
		}
	}
}
