package session

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"lodge/internal/cli/kit"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// Listed returns what is up. Where the daemon's process does not run, as one
// that is stopped or cannot be started, the keepers are asked without it: c is
// nil then, and a warning says so.
func Listed(ctx context.Context, k *kit.Kit, all bool) (c *localapi.Client, ps localapi.Projects, err error) {
	if c, err = Connect(ctx, k); err == nil {
		if ps, err = c.Projects(ctx, all); err == nil {
			return c, ps, nil
		}
		c.Close()
	}
	var halted *stall.Error
	var none *noDaemonError
	var h *kit.Hinted
	hint := ""
	switch {
	case errors.As(err, &halted):
		hint = halted.Hint()
	case errors.As(err, &none) && errors.As(err, &h):
		hint = h.Hint
	default:
		return nil, ps, err
	}
	ps.Projects = recorded(ctx, k)
	if halted == nil && len(ps.Projects) == 0 {
		return nil, ps, err
	}
	ps.Warnings = []string{fmt.Sprintf("names are not known: %v (hint: %s)", err, hint)}
	return nil, ps, nil
}

// recorded returns the projects whose keepers run, as these say themselves. They
// are found by their records, or among the processes.
func recorded(ctx context.Context, k *kit.Kit) []localapi.Project {
	d := k.Dirs()
	keepers := keeperapi.Find(d.Keepers(), d.Spare())
	found := make([]*localapi.Project, len(keepers))
	var asked sync.WaitGroup
	for i, rec := range keepers {
		asked.Go(func() { found[i] = projectOf(ctx, rec) })
	}
	asked.Wait()
	out := []localapi.Project{}
	for _, p := range found {
		if p != nil {
			out = append(out, *p)
		}
	}
	return out
}

// projectOf asks a keeper; nil where it has ended.
func projectOf(ctx context.Context, rec keeperapi.Record) *localapi.Project {
	c := rec.Config
	st, err := keeperapi.Client{Socket: c.Socket, Project: c.Name, PID: rec.PID}.Status(ctx)
	if errors.Is(err, keeperapi.ErrGone) {
		return nil
	}
	if st.ID == "" {
		st = keeperapi.Project{ID: c.ID, Name: c.Name, Dir: c.Dir, Home: c.Home, Engine: c.Engine, EngineReason: c.EngineReason, PID: rec.PID}
	}
	p := localapi.FromKeeper(st, c.Socket, c.LogDir)
	var halted *stall.Error
	switch {
	case errors.As(err, &halted):
		p.Unresponsive = fmt.Sprintf("its keeper (process %d) is %s", halted.PID, halted.Reason())
		p.UnresponsiveHint = halted.Hint()
	case err != nil:
		p.Unresponsive = fmt.Sprintf("its keeper (process %d) cannot be asked: %v", rec.PID, err)
	}
	return &p
}
