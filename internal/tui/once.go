package tui

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"lodge/internal/show/table"
)

// Once reads two frames, opt.Interval apart, since a rate is of a time, and
// gives the second.
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

// Still is one frame that does not move.
type Still struct{ u *ui }

// WriteText writes the view as a table: all items, cut at width cells, or
// nowhere if that is zero.
func (s *Still) WriteText(w io.Writer, width int) error {
	u := s.u
	u.width = width
	if width <= 0 {
		u.width = 1 << 20
	}
	out := bufio.NewWriter(w)
	print := func(l line) {
		if width > 0 {
			l = l.clip(width, u.opt.ASCII)
		}
		text := strings.TrimRight(l.String(), " ")
		if u.opt.Color {
			text = l.paint(true)
		}
		_, _ = out.WriteString(text + "\n") // Flush tells
	}
	print(u.headLine())
	if l := u.unknownLine(); l != nil {
		print(l)
	}
	v := u.view(u.at)
	if v.len() == 0 {
		print(text(u.emptyText(v), plain))
		return out.Flush()
	}
	cols, r := slices.Clone(v.columns()), u.render()
	want := make([]int, len(cols))
	for i := range v.len() {
		for k, cell := range v.cellsAt(i, r) {
			want[k] = max(want[k], cellWidth(cell))
		}
	}
	for k := range cols {
		if width <= 0 { // every word whole, and no column for what nobody has
			cols[k].most = max(want[k], cols[k].least)
		}
	}
	ws := fit(cols, want, u.width)
	print(u.titleLine(v, ws)[1:])
	for i := range v.len() {
		print(u.itemLine(cols, v.cellsAt(i, r), ws, false)[1:])
	}
	return out.Flush()
}

func cellWidth(s span) int { return table.Width(s.text) }

// Report returns the frame as `lodge top --json` prints it.
func (s *Still) Report() Report { return s.u.report() }
