package cli

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

// look is what a running daemon adds to the kernel's table of sockets: whose
// homes there are, and who holds which socket. Commands that look use it, and
// do without it where no daemon runs.
type look struct {
	Projects []localapi.Project
	Homes    []sockets.Home
	// Live is nil where no daemon runs.
	Live sockets.Live
	// Warnings say what could not be learned, one line each.
	Warnings []string

	client *localapi.Client
}

// lookPatience is how long a daemon may take to say what it knows. One that
// hangs is no reason not to look.
const lookPatience = 2 * time.Second

// look asks the daemon, if one runs; it never starts one. The caller closes
// what it gets.
func (a *app) look(ctx context.Context) *look {
	l := &look{client: localapi.New(localapi.Dirs{Runtime: a.runtimeDir()}.Socket())}
	l.refresh(ctx)
	return l
}

// refresh asks again: projects come and go, and so does the daemon.
func (l *look) refresh(ctx context.Context) {
	l.Projects, l.Homes, l.Live, l.Warnings = nil, nil, nil, nil
	short, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	ps, err := l.client.Projects(short, false)
	if err != nil {
		if ctx.Err() == nil && !localapi.NotRunning(err) {
			if errors.Is(err, context.DeadlineExceeded) {
				err = errors.New("the daemon does not answer")
			}
			l.Warnings = append(l.Warnings, "projects are not named: "+err.Error())
		}
		return
	}
	l.Projects, l.Homes = ps.Projects, homesOf(ps.Projects)
	if live, ok := any(l.client).(sockets.Live); ok {
		l.Live = live
	}
}

// query puts what is known into a query.
func (l *look) query(q sockets.Query) sockets.Query {
	q.Homes, q.Live = l.Homes, l.Live
	return q
}

// Close drops the connection to the daemon.
func (l *look) Close() { l.client.Close() }

// homesOf gives the homes of projects. An address that is none is left out.
func homesOf(ps []localapi.Project) []sockets.Home {
	homes := make([]sockets.Home, 0, len(ps))
	for _, p := range ps {
		h := sockets.Home{Project: p.Name, ID: p.ID}
		h.IP4, _ = netip.ParseAddr(p.Home)
		if p.Home6 != "" {
			h.IP6, _ = netip.ParseAddr(p.Home6)
		}
		if h.IP4.IsValid() || h.IP6.IsValid() {
			homes = append(homes, h)
		}
	}
	return homes
}
