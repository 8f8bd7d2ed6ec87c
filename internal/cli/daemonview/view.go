// Package daemonview is what a running daemon adds to the kernel's table of sockets:
// projects and their homes, names, and which process holds which socket. The commands that look
// ask it, and do without it if no daemon runs: it starts none, and writes nothing.
package daemonview

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/sockets"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
	"lodge/internal/stall"
)

// View is what a running daemon adds to the kernel's table of sockets: whose
// homes there are, and which process holds which socket. Commands that look use it, and
// do without it if no daemon runs.
type View struct {
	Projects []localapi.Project
	Homes    []sockets.Home
	// Live is nil if no daemon runs.
	Live holders.Live
	// Warnings say what could not be learned, one line each.
	Warnings []string

	diag diag.Support
	// begun: [Begin] has asked the daemon; asking: what it has asked is not read yet.
	begun, asking bool

	own daemonAt
	// sudo is the daemon of the user who ran sudo(8), if this is root in sudo. It only
	// names projects.
	sudo daemonAt
}

// daemonAt is a daemon that may run.
type daemonAt struct {
	socket string
	client *localapi.Client // nil for none
	// failed is why [Begin] could not ask it, or nil.
	failed error
	// answers: it has answered last.
	answers bool
	dirs    localapi.Dirs
	uid     int
	// projects are those that are up, by its last answer.
	projects []localapi.Project
}

// runs reports whether the daemon may listen. Mostly there is no socket, and an HTTP
// client's attempt would take longer than the rest of the command.
func (d daemonAt) runs() bool {
	if d.client == nil {
		return false
	}
	_, err := os.Lstat(d.socket)
	return err == nil
}

// Patience is how long a daemon may take to answer. The command goes on without a
// daemon that hangs.
const Patience = 2 * time.Second

// Open asks the daemon, if one runs; it never starts one. The caller closes the view.
func Open(ctx context.Context, k *kit.Kit) *View {
	v := newView(k)
	v.Refresh(ctx)
	return v
}

// Begin is [Open] for a command that reads the sockets while the daemon looks: it sends
// the daemon its questions, that for the owners of sockets too, and reads the answers
// later. What the view holds is valid after [View.Wait]. The caller closes the view.
func Begin(ctx context.Context, k *kit.Kit) *View {
	v := newView(k)
	if !v.own.runs() {
		v.Refresh(ctx)
		return v
	}
	short, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	v.own.failed = v.own.client.Begin(short)
	v.begun, v.asking = true, true
	return v
}

func newView(k *kit.Kit) *View {
	v := &View{own: daemonAt{dirs: localapi.Dirs{Runtime: k.RuntimeDir()}, uid: os.Geteuid()}}
	v.own.socket = v.own.dirs.Socket()
	v.own.client = localapi.New(v.own.socket)
	if uid, err := strconv.Atoi(k.Getenv("SUDO_UID")); err == nil && uid > 0 && os.Geteuid() == 0 {
		v.sudo.uid = uid
		v.sudo.dirs.Runtime = kit.UsualRuntimeDir(uid)
		v.sudo.socket = v.sudo.dirs.Socket()
		v.sudo.client = localapi.NewUser(v.sudo.socket, uid)
	}
	return v
}

// Refresh asks again: projects come and go, and so does the daemon.
func (v *View) Refresh(ctx context.Context) {
	v.Projects, v.Homes, v.Live, v.Warnings = nil, nil, nil, nil
	ask := func(d *daemonAt) bool {
		d.projects, d.answers = nil, false
		if !d.runs() {
			return false
		}
		short, cancel := context.WithTimeout(ctx, Patience)
		defer cancel()
		var ps localapi.Projects
		err := d.failed
		if d.failed = nil; err == nil {
			ps, err = d.client.Projects(short, false)
		}
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
				v.Warnings = append(v.Warnings, text)
			}
			return false
		}
		d.projects, d.answers = ps.Projects, true
		v.Projects = append(v.Projects, ps.Projects...)
		v.Warnings = append(v.Warnings, kit.HaltedNotes(ps.Projects)...)
		return true
	}
	if live, ok := any(v.own.client).(holders.Live); ask(&v.own) && ok {
		v.Live = live
	}
	ask(&v.sudo)
	v.Homes = localapi.Homes(v.Projects)
}

// Wait reads what Begin has asked for, if it is not read yet.
func (v *View) Wait(ctx context.Context) {
	if v.asking {
		v.asking = false
		v.Refresh(ctx)
	}
}

// Answers is Wait, for a query whose sockets are read. It makes View a [sockets.Asked].
func (v *View) Answers(ctx context.Context) sockets.Answers {
	v.Wait(ctx)
	a := sockets.Answers{Homes: v.Homes, Live: v.Live}
	if v.Live != nil {
		a.Owners, a.OwnersErr = v.Live.Owners(ctx)
	}
	return a
}

// Own returns the projects that this user's own daemon says are up.
func (v *View) Own() []localapi.Project { return v.own.projects }

// Daemon is a daemon that may run.
type Daemon struct {
	Client *localapi.Client
	// UID is its user: what it says, and what is in Dirs, is that user's word.
	UID  int
	Dirs localapi.Dirs
	// Answers: it has answered last.
	Answers bool
}

// Daemons returns this user's daemon, and as root in sudo(8) that of the user who ran it.
func (v *View) Daemons() []Daemon {
	var out []Daemon
	for _, d := range []*daemonAt{&v.own, &v.sudo} {
		if d.client != nil {
			out = append(out, Daemon{Client: d.client, UID: d.uid, Dirs: d.dirs, Answers: d.answers})
		}
	}
	return out
}

// Query puts what is known into a query, and after [Begin] what is asked.
func (v *View) Query(q sockets.Query) sockets.Query {
	q.Diag = &v.diag
	q.Homes, q.Live = v.Homes, v.Live
	if v.begun {
		q.Asked = v
	}
	return q
}

// Close drops the connections.
func (v *View) Close() {
	v.own.client.Close()
	if v.sudo.client != nil {
		v.sudo.client.Close()
	}
}
