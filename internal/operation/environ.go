package operation

import (
	"context"
	"slices"

	"lodge/internal/localapi"
	"lodge/internal/selection"
	"lodge/internal/trust"
)

// environOf returns the environment with which the operation's project is read and
// run; see [Runner.Environ].
func environOf(ctx context.Context, r *Runner, dir string) ([]string, error) {
	if r.Environ != nil {
		return r.Environ, nil
	}
	d, err := r.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ps, err := d.Projects(ctx, false)
	if err != nil {
		return nil, err
	}
	if p, ok := selection.At(ps.Projects, dir, selection.DirectoryID(dir)); ok {
		env, err := localapi.NewSession(p).Environ(ctx)
		if err != nil || env != nil {
			return env, err
		}
	}
	return r.Account, nil
}

// trusting returns an environment with what makes programs trust the HTTPS names
// of services. Where there can be no authority, programs do without, and a notice
// says why.
func trusting(r *Runner, environ []string) []string {
	authority, err := trust.Open(trust.Options{Dir: r.TrustDir})
	if err != nil {
		note(r, NoticeTrust, "services do not trust HTTPS names: "+err.Error())
		return environ
	}
	more, err := authority.Env(environ)
	if err != nil {
		note(r, NoticeTrust, "services do not trust HTTPS names: "+err.Error())
	}
	return append(slices.Clone(environ), more...)
}
