package operation

import (
	"context"
	"errors"
	"fmt"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/project"
	"lodge/internal/selection"
)

// Choice is what is asked for of a home, and of what runs there; "" and nil leave it to
// the daemon or the file.
type Choice struct {
	Engine, Isolation string
	// KeyLog says whether programs write the keys of their TLS connections.
	KeyLog *bool
}

// request returns the choice as the daemon is asked for it.
func (ch Choice) request() (localapi.OpenRequest, error) {
	var req localapi.OpenRequest
	if ch.Engine != "" {
		e, err := loopback.ParseEngine(ch.Engine)
		if err != nil {
			return req, usage(err.Error(), "--engine ebpf, seccomp or none")
		}
		req.Engine = e
	}
	if ch.Isolation != "" {
		i, err := loopback.ParseIsolation(ch.Isolation)
		if err != nil {
			return req, usage(err.Error(), "--isolation overlay or strict")
		}
		req.Isolation = i
	}
	return req, nil
}

// openSession returns the project's session. Its keeper is started if need be.
func openSession(ctx context.Context, r *Runner, d Daemon, p *project.Project, ch Choice) (*localapi.Session, error) {
	req, err := ch.request()
	if err != nil {
		return nil, err
	}
	req.Path, req.Name = p.Dir, p.Name
	if p.ConfigPath != "" && req.Isolation == "" {
		req.Isolation = p.Isolation
	}
	st, err := d.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	if st.Notice != "" {
		note(r, NoticeEngine, st.Notice)
	}
	noteKeeper(r, st)
	noteMoved(r, st, p.Dir)
	return localapi.NewSession(st), nil
}

// withSession opens the project and calls do. A keeper that ended meanwhile,
// because its last command did, is started again.
func withSession(ctx context.Context, r *Runner, p *project.Project, ch Choice, do func(Daemon, *localapi.Session) error) error {
	var err error
	for range 5 {
		var d Daemon
		if d, err = r.Connect(ctx); err != nil {
			return err
		}
		var s *localapi.Session
		if s, err = openSession(ctx, r, d, p, ch); err == nil {
			err = do(d, s)
		}
		d.Close()
		if !errors.Is(err, keeperapi.ErrGone) {
			return err
		}
	}
	return err
}

// withRunning calls do with the session of the project that is meant, if it is
// up. Else the error is loadErr, which is why the project's file cannot be read,
// or nil.
func withRunning(ctx context.Context, r *Runner, ch Choice, loadErr error, do func(Daemon, *localapi.Session) error) error {
	d, err := r.Connect(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	q, err := findUp(ctx, r, d)
	if err != nil {
		if loadErr != nil && r.Project == "" {
			return loadErr
		}
		return err
	}
	req, err := ch.request()
	if err != nil {
		return err
	}
	for _, w := range []struct{ what, want, has string }{
		{"engine", string(req.Engine), string(q.Engine)}, {"isolation", string(req.Isolation), string(q.Isolation)},
	} {
		if w.want != "" && w.want != w.has {
			return &localapi.Error{Message: fmt.Sprintf("use %s %s: project %s runs with %s", w.what, w.want, q.Name, w.has), Hint: "end it first: lodge down"}
		}
	}
	return do(d, localapi.NewSession(q))
}

// findUp returns the project that is meant, as the daemon knows it.
func findUp(ctx context.Context, r *Runner, d Daemon) (localapi.Project, error) {
	ps, err := d.Projects(ctx, false)
	if err != nil {
		return localapi.Project{}, err
	}
	p, err := r.Find(ps.Projects)
	if err == nil {
		noteKeeper(r, p)
	}
	return p, err
}

// currentOf returns the session's project as ls lists it now, alone, or nothing
// where it has ended. A daemon that has ended meanwhile is started again.
func currentOf(ctx context.Context, r *Runner, d Daemon, s *localapi.Session) ([]localapi.Project, error) {
	ps, err := Current(ctx, d, s.Project.ID)
	if localapi.NotRunning(err) {
		if d, err = r.Connect(ctx); err != nil {
			return nil, err
		}
		defer d.Close()
		ps, err = Current(ctx, d, s.Project.ID)
	}
	return ps, err
}

// Current returns the project with that id as the daemon lists it now, alone, or
// nothing where it has ended.
func Current(ctx context.Context, d Daemon, id string) ([]localapi.Project, error) {
	ps, err := d.Projects(ctx, false)
	if err != nil {
		return nil, err
	}
	// Its names below .test are resolved by now, where they can be.
	if _, err := d.HostNames(ctx); err != nil {
		return nil, err
	}
	out := []localapi.Project{}
	for _, p := range ps.Projects {
		if p.ID == id {
			out = append(out, p)
		}
	}
	return out, nil
}

// noteKeeper notes that the keeper is of another version, and how to renew it.
func noteKeeper(r *Runner, p localapi.Project) {
	if text := KeeperNote(p, r.Version); text != "" {
		note(r, NoticeVersion, text)
	}
}

// KeeperNote returns what is said of a keeper that is of another version than
// this lodge, or "".
func KeeperNote(p localapi.Project, version string) string {
	if p.KeeperVersion == version || p.KeeperVersion == "" {
		return ""
	}
	return fmt.Sprintf("%s is kept by lodge %s, and this is %s; `lodge down`, then `lodge up`, renews it", p.Shown(), p.KeeperVersion, version)
}

// noteMoved notes that dir, in which the operation was asked for, is not the
// directory in which the project's services were started, or had another name
// then.
func noteMoved(r *Runner, p localapi.Project, dir string) {
	switch here := selection.DirectoryID(dir); {
	case p.DirectoryProblem == "":
	case p.DirectoryID == here && here != "":
		note(r, NoticeMoved, fmt.Sprintf("%s was opened at %s, which was renamed since: its home and its names stay the same until `lodge down`", p.Shown(), p.Path))
	case p.DirectoryProblem == keeperapi.DirReplaced:
		note(r, NoticeMoved, fmt.Sprintf("%s runs in another directory, which had this path and %s; `lodge restart` runs its services here", p.Shown(), Became(p)))
	}
}
