package tui

import (
	"bufio"
	"context"
	"io"
	"strings"
	"time"

	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// Once reads two frames, opt.Interval apart, since a rate needs two, and returns the
// second.
func Once(ctx context.Context, src Source, opt Options) (*Still, error) {
	u, err := newUI(opt)
	if err != nil {
		return nil, err
	}
	f, err := src.Frame(ctx)
	if err != nil {
		return nil, err
	}
	u.Frame(f)
	t := time.NewTimer(opt.Interval)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f, err = src.Frame(ctx); err != nil {
		return nil, err
	}
	u.Frame(f)
	return &Still{u}, nil
}

// Still is one frame.
type Still struct{ u *ui }

// WriteText writes the view as a table of all items. Lines are cut at width cells;
// zero does not cut them.
func (s *Still) WriteText(w io.Writer, width int) error {
	u := s.u
	u.width = width
	if width <= 0 {
		u.width = 1 << 20
	}
	out := bufio.NewWriter(w)
	print := func(l screen.Line) {
		if width > 0 {
			l = l.Clip(width, u.opt.ASCII)
		}
		text := strings.TrimRight(l.String(), " ")
		if u.opt.Color {
			text = l.Paint(true)
		}
		_, _ = out.WriteString(text + "\n") // Flush returns the error
	}
	print(u.headLine())
	if l := u.warningLine(); l != nil {
		print(l)
	}
	t := u.tabs.shown()
	if t.list.Len() == 0 {
		print(screen.Plain.Line(u.emptyText(t.list)))
		return out.Flush()
	}
	cols, r := t.list.Columns(), u.format.cells(u.facts.now())
	want := make([]int, len(cols))
	for i := range t.list.Len() {
		view.Widen(want, t.list.Cells(i, r))
	}
	y := view.NewLayout(cols, want, width, u.opt.ASCII)
	if width <= 0 {
		y = view.NewWideLayout(cols, want, u.opt.ASCII)
	}
	print(y.Titles(t.list, t.sorting)[1:])
	for i := range t.list.Len() {
		print(y.Item(t.list.Cells(i, r))[1:])
	}
	return out.Flush()
}

// Report returns the frame as `lodge top --json` prints it.
func (s *Still) Report() Report { return s.u.tabs.digest.Report(s.u.tabs.shown().list) }
