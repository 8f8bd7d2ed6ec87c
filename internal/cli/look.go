package cli

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/sockets"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
	"lodge/internal/stall"
)

// look is what a running daemon adds to the kernel's table of sockets: whose
// homes there are, and who holds which socket. Commands that look use it, and
// do without it where no daemon runs.
type look struct {
	Projects []localapi.Project
	Homes    []sockets.Home
	// Live is nil where no daemon runs.
	Live holders.Live
	// Warnings say what could not be learned, one line each.
	Warnings []string

	diag diag.Support

	own daemonAt
	// sudo is the daemon of whoever called root by sudo(8); none if nobody
	// did. It only names projects.
	sudo daemonAt
}

// daemonAt is a daemon that may run.
type daemonAt struct {
	socket string
	client *localapi.Client // nil for none
	// projects are those that it said are up.
	projects []localapi.Project
}

// runs reports whether somebody may listen. Where nobody does, as mostly, a look
// takes so little that an HTTP client's try would be felt.
func (d daemonAt) runs() bool {
	if d.client == nil {
		return false
	}
	_, err := os.Lstat(d.socket)
	return err == nil
}

// lookPatience is how long a daemon may take to say what it knows. One that
// hangs is no reason not to look.
const lookPatience = 2 * time.Second

// look asks the daemon, if one runs; it never starts one. The caller closes
// what it gets.
func (a *app) look(ctx context.Context) *look {
	l := &look{own: daemonAt{socket: localapi.Dirs{Runtime: a.runtimeDir()}.Socket()}}
	l.own.client = localapi.New(l.own.socket)
	if uid, err := strconv.Atoi(a.getenv("SUDO_UID")); err == nil && uid > 0 && os.Geteuid() == 0 {
		l.sudo.socket = localapi.Dirs{Runtime: usualRuntimeDir(uid)}.Socket()
		l.sudo.client = localapi.NewUser(l.sudo.socket, uid)
	}
	l.refresh(ctx)
	return l
}

// refresh asks again: projects come and go, and so does the daemon.
func (l *look) refresh(ctx context.Context) {
	l.Projects, l.Homes, l.Live, l.Warnings = nil, nil, nil, nil
	ask := func(d *daemonAt) bool {
		d.projects = nil
		if !d.runs() {
			return false
		}
		short, cancel := context.WithTimeout(ctx, lookPatience)
		defer cancel()
		ps, err := d.client.Projects(short, false)
		if err != nil {
			if ctx.Err() == nil && !localapi.NotRunning(err) {
				if errors.Is(err, context.DeadlineExceeded) {
					err = errors.New("the daemon does not answer")
				}
				var halted *stall.Error
				text := "projects are not named: " + err.Error()
				if errors.As(err, &halted) {
					text += " (hint: " + halted.Hint() + ")"
				}
				l.Warnings = append(l.Warnings, text)
			}
			return false
		}
		d.projects = ps.Projects
		l.Projects = append(l.Projects, ps.Projects...)
		l.Warnings = append(l.Warnings, haltedNotes(ps.Projects)...)
		return true
	}
	if live, ok := any(l.own.client).(holders.Live); ask(&l.own) && ok {
		l.Live = live
	}
	ask(&l.sudo)
	l.Homes = localapi.Homes(l.Projects)
}

// query puts what is known into a query.
func (l *look) query(q sockets.Query) sockets.Query {
	q.Homes, q.Live, q.Diag = l.Homes, l.Live, &l.diag
	return q
}

// Close drops the connections.
func (l *look) Close() {
	l.own.client.Close()
	if l.sudo.client != nil {
		l.sudo.client.Close()
	}
}
