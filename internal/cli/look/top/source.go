package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/explain/gather"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/pidfd"
	"lodge/internal/sockets"
	"lodge/internal/sockets/track"
	"lodge/internal/tui"
)

// source is where top's facts come from: the kernel's sockets, and what a running
// daemon knows of projects.
type source struct {
	look    *daemonview.View
	holders *track.HolderCache
	text    func(ctx context.Context, address string) (string, error)
}

// Frame is part of tui.Source. It is called by one goroutine at a time.
func (s *source) Frame(ctx context.Context) (*tui.Frame, error) {
	s.look.Refresh(ctx)
	now := time.Now()
	t, err := s.holders.List(ctx, s.look.Query(sockets.Query{TCPInfo: true, Details: true}), now)
	if err != nil {
		return nil, err
	}
	ownLast(t.Rows)
	return &tui.Frame{
		Time: now, Rows: t.Rows, Projects: s.look.Projects, UnknownOwners: t.UnknownOwners,
		Warnings: slices.Concat(s.look.Warnings, t.Warnings),
	}, nil
}

// ownLast puts lodge's own processes behind the others that hold a socket, so
// that a service's socket which lodge holds as well is the service's.
func ownLast(rows []sockets.Row) {
	for i := range rows {
		ps := rows[i].Processes
		if len(ps) < 2 || gather.Own(ps[0]) == "" {
			continue
		}
		// The list is shared with what was shown before.
		rows[i].Processes = slices.Clone(ps)
		slices.SortStableFunc(rows[i].Processes, func(a, b *sockets.Process) int {
			return cmp.Compare(min(len(gather.Own(a)), 1), min(len(gather.Own(b)), 1))
		})
	}
}

// Explain is part of tui.Source.
func (s *source) Explain(ctx context.Context, address string) (string, error) {
	return s.text(ctx, address)
}

// logTail is how many past lines a view of logs begins with.
const logTail = 500

// Logs is part of tui.Source. The keeper itself is asked, so that lines come
// also while no daemon runs.
func (s *source) Logs(ctx context.Context, p localapi.Project, service string, each func(logs.Line) error) error {
	q := keeperapi.LogQuery{Tail: logTail}
	if service != "" {
		q.Services = []string{service}
	}
	err := localapi.NewSession(p).Logs(ctx, q, true, each)
	if errors.Is(err, keeperapi.ErrGone) {
		return errors.New("the project went down")
	}
	return err
}

// endGrace is how long a process may take to end when it is asked to.
const endGrace = 3 * time.Second

// End is part of tui.Source.
func (s *source) End(ctx context.Context, p *sockets.Process, hard bool) (bool, error) {
	if role := gather.Own(p); role != "" {
		return false, &kit.Hinted{Err: fmt.Errorf("end process %d: it is lodge's own (%s)", p.PID, role), Hint: "lodge down ends a project"}
	}
	sig := unix.SIGTERM
	if hard {
		sig = unix.SIGKILL
	}
	err := pidfd.End(ctx, p.PID, p.Start, sig, endGrace)
	switch {
	case err == nil, errors.Is(err, pidfd.ErrGone):
		return true, nil
	case errors.Is(err, pidfd.ErrStays):
		return false, nil
	case errors.Is(err, unix.EPERM):
		return false, &kit.Hinted{Err: fmt.Errorf("%w: it is another user's", err), Hint: "sudo lodge top"}
	}
	return false, err
}
