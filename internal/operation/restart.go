package operation

import (
	"context"
	"slices"

	"lodge/internal/localapi"
)

// Restarts is a restart of services.
type Restarts struct {
	Services []string // none: all
	// Always reads the project again, also after a restart that failed.
	Always bool
	// Quiet reports no progress, only notices.
	Quiet bool
}

// Restart restarts services of a project that is up, with what its file says by
// now, and returns when they are ready. The result is valid also with an error.
func (r *Runner) Restart(ctx context.Context, x Restarts) (Result, error) {
	d, err := r.Connect(ctx)
	if err != nil {
		return Result{}, err
	}
	defer d.Close()
	st, err := r.find(ctx, d)
	if err != nil {
		return Result{}, err
	}
	out := Result{Name: st.Name}
	p, err := r.LoadOf(st)
	if err != nil {
		return out, err
	}
	environ, err := r.environ(ctx, p.Dir)
	if err == nil {
		err = p.Resolve(environ)
	}
	if err != nil {
		return out, err
	}
	for _, n := range x.Services {
		if _, err := ServiceOf(st, n); err != nil && !slices.Contains(serviceNames(p), n) {
			return out, err
		}
	}
	r.noteSettings(p, st)
	s := localapi.NewSession(st)
	if err := s.DefineFrom(ctx, p.Dir, specs(p, st), r.trusting(environ)); err != nil {
		return out, err
	}
	told := func(err error) error { return err }
	if !x.Quiet {
		told = r.tellProgress(ctx, s, x.Services)
	}
	err = told(s.Restart(ctx, x.Services))
	if !x.Always {
		return out, err
	}
	return out, r.conclude(ctx, d, s, true, err, &out)
}
