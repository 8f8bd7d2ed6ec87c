package screen

import (
	"strings"
	"testing"
)

// xs returns lines of from to to-1 letters.
func xs(from, to int) []Line {
	var ls []Line
	for i := from; i < to; i++ {
		ls = append(ls, Plain.Line(strings.Repeat("x", i)))
	}
	return ls
}

func lastLine(p *Pager) string {
	ls := p.Lines()
	if len(ls) == 0 {
		return ""
	}
	return ls[len(ls)-1].String()
}

func TestPagerFollows(t *testing.T) {
	p := &Pager{Follow: true}
	p.Resize(80, 10)
	p.Add(xs(1, 50)...)
	if got := lastLine(p); got != strings.Repeat("x", 49) {
		t.Errorf("the end is not in view: %q", got)
	}
	p.Key("up")
	p.Key("up")
	p.Add(xs(50, 60)...)
	if got := lastLine(p); got != strings.Repeat("x", 47) {
		t.Errorf("it moves after scrolling away from the end: %q", got)
	}
	p.Key("end")
	p.Add(xs(60, 70)...)
	if got := lastLine(p); got != strings.Repeat("x", 69) {
		t.Errorf("it does not follow again: %q", got)
	}
	p.Resize(40, 7)
	if got := lastLine(p); got != strings.Repeat("x", 29) {
		t.Errorf("after a resize: %q", got)
	}
}

func TestPagerPosition(t *testing.T) {
	p := &Pager{}
	p.Resize(20, 3)
	p.Add(xs(1, 9)...)
	for _, c := range []struct {
		key         string
		first, last int
	}{{"", 1, 3}, {"down", 2, 4}, {"pgdown", 4, 6}, {"end", 6, 8}, {"down", 6, 8}, {"pgup", 4, 6}, {"home", 1, 3}, {"up", 1, 3}} {
		if known := p.Key(c.key); known != (c.key != "") {
			t.Errorf("%q: scrolls is %v", c.key, known)
		}
		if first, last, total := p.Position(); first != c.first || last != c.last || total != 8 {
			t.Errorf("%q: lines %d to %d of %d, want %d to %d of 8", c.key, first, last, total, c.first, c.last)
		}
	}
	p.Clear()
	if n := len(p.Lines()); n != 0 {
		t.Errorf("%d lines after Clear", n)
	}
}

func TestPagerDropsTheOldest(t *testing.T) {
	p := &Pager{Follow: true}
	p.Resize(80, 10)
	p.Add(xs(3, 4)...)
	for range pagerMost + 9 {
		p.Add(Plain.Line("y"))
	}
	p.Drop(5)
	if _, _, total := p.Position(); total != pagerMost || p.Dropped() != 10+5 {
		t.Errorf("keeps %d lines, dropped %d", total, p.Dropped())
	}
	p.Key("home")
	if got := p.Lines()[0].String(); got != "y" {
		t.Errorf("the first line is %q", got)
	}
}

// Of several spans the last is wrapped beside the others.
func TestPagerWrapsBesideTheHead(t *testing.T) {
	p := &Pager{}
	p.Resize(20, 10)
	p.Add(Line{Dim.Span("12:00 "), Plain.Span("one two three four")}, nil)
	want := []string{"12:00 one two three", "      four", ""}
	got := p.Lines()
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if strings.TrimRight(got[i].String(), " ") != want[i] {
			t.Errorf("line %d: got %q, want %q", i, got[i], want[i])
		}
	}
}
