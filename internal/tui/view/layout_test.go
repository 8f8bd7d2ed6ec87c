package view

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the columns want, what stays fits as far as it can, and what must
// stay does.
func TestFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "columns")
		cols, want := make([]Column, n), make([]int, n)
		titles := 0
		for i := range cols {
			title := strings.Repeat("T", rapid.IntRange(1, 6).Draw(t, "title"))
			least := rapid.IntRange(0, 15).Draw(t, "least")
			cols[i] = Column{Title: title, least: least, most: least + rapid.IntRange(0, 30).Draw(t, "most"), drop: rapid.IntRange(0, 3).Draw(t, "drop")}
			want[i] = rapid.IntRange(0, 60).Draw(t, "want")
			if cols[i].drop == 0 {
				titles += len(title) + Gap
			}
		}
		room := rapid.IntRange(0, 150).Draw(t, "room")
		w := fit(cols, want, room)
		sum := 0
		for i, c := range cols {
			if w[i] > 0 {
				sum += w[i] + Gap
			}
			if w[i] == 0 && c.drop == 0 {
				t.Fatalf("column %d, which must stay, is left out: %v", i, w)
			}
			if w[i] > 0 && w[i] < len(c.Title) {
				t.Fatalf("column %d is narrower than its title: %v", i, w)
			}
		}
		if room >= titles && sum > room {
			t.Fatalf("%v takes %d of %d", w, sum, room)
		}
	})
}

func TestUnknownFigures(t *testing.T) {
	for got, want := range map[string]string{rateText(5, false): "-", rateText(5, true): "5B", roundTripText(0): "-", roundTripText(5): "5us"} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
