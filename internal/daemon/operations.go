package daemon

import (
	"context"
	"os/user"

	"lodge/internal/localapi"
)

// self is the daemon for the operations that run in it.
type self struct{ d *Daemon }

func (s self) Open(ctx context.Context, r localapi.OpenRequest) (localapi.Project, error) {
	return s.d.opened(ctx, r)
}

func (s self) Projects(ctx context.Context, all bool) (localapi.Projects, error) {
	return s.d.list(ctx, all), nil
}

func (s self) HostNames(ctx context.Context) (localapi.HostNames, error) {
	return s.d.names.Hosts(ctx), nil
}

func (s self) Down(ctx context.Context, id string) error { return s.d.projects.Down(ctx, id, false) }
func (s self) Kill(ctx context.Context, id string) error { return s.d.projects.Down(ctx, id, true) }
func (s self) TrustEnviron(_ context.Context, set []string) (localapi.TrustEnviron, error) {
	return s.d.trusted(set), nil
}
func (self) Close() {}

// accountEnviron is the environment of a fresh login of the daemon's user, with
// this PATH.
func accountEnviron(path string) []string {
	env := []string{"PATH=" + path}
	if path == "" {
		env[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	if u, err := user.Current(); err == nil {
		env = append(env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	}
	return env
}
