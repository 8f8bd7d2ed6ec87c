package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lodge/internal/localapi"
	"lodge/internal/selection"
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
func trusting(ctx context.Context, r *Runner, d Daemon, environ []string) []string {
	out, err := Trusting(ctx, d, environ)
	if err != nil {
		note(r, NoticeTrust, err.Error())
	}
	return out
}

// Trusting returns an environment with what makes programs trust the HTTPS names of
// services. The environment is valid also with an error, which says that programs do
// not trust them, or not all programs, and why.
func Trusting(ctx context.Context, d Daemon, environ []string) ([]string, error) {
	set := make([]string, len(environ))
	for i, kv := range environ {
		set[i], _, _ = strings.Cut(kv, "=") // the daemon needs no values
	}
	t, err := d.TrustEnviron(ctx, set)
	if err == nil && t.Problem != "" {
		err = errors.New(t.Problem)
	}
	if err != nil {
		err = fmt.Errorf("services do not trust HTTPS names: %w", err)
	}
	return append(slices.Clone(environ), t.Environ...), err
}
