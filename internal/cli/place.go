package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/service"
)

// projectFlag lets a command name a project instead of being in its directory,
// which may be renamed or gone.
func (a *app) projectFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.project, "project", "", "not the project here, but `NAME`: what lodge ls shows, its id, or its directory")
}

// notUpError says that the project here is not up.
type notUpError struct {
	what string
	// lost are projects that are up and whose directory is not where it was: one
	// of them may be meant.
	lost []localapi.Project
}

func (e *notUpError) Error() string {
	text := e.what
	for _, p := range e.lost {
		text += fmt.Sprintf("; %s is up, and its directory %s %s", p.Shown(), p.Path, became(p))
	}
	return text
}

func (e *notUpError) hint() string {
	if len(e.lost) == 0 {
		return "lodge up, or: lodge ls --all"
	}
	return "lodge down --project " + e.lost[0].ID + " ends it, lodge down --all everything"
}

// became puts into words what happened to a project's directory.
func became(p localapi.Project) string {
	switch {
	case p.DirectoryNow != "":
		return "is " + p.DirectoryNow + " now"
	case p.DirectoryProblem == keeperapi.DirReplaced:
		return "was removed and made anew"
	}
	return "was removed"
}

// workDir is where the command was called, also if that was removed, and its
// identity.
func (a *app) workDir() (path, id string) {
	at := a.env.Dir
	if a.env.DirErr != nil {
		const self = "/proc/self/cwd"
		link, err := os.Readlink(self)
		if err != nil {
			return a.env.Dir, ""
		}
		path, at = strings.TrimSuffix(link, " (deleted)"), self
	} else if path, _ = filepath.EvalSymlinks(at); path == "" {
		path = at
	}
	return path, dirID(at)
}

func dirID(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return keeperapi.DirID(fi)
}

// at returns the project with this directory: the directory itself, wherever it
// was when the project was opened, else the one that was opened at its path.
func at(ps []localapi.Project, path, id string) (localapi.Project, bool) {
	if i := slices.IndexFunc(ps, func(p localapi.Project) bool { return id != "" && p.DirectoryID == id }); i >= 0 {
		return ps[i], true
	}
	if i := slices.IndexFunc(ps, func(p localapi.Project) bool { return p.Path == path }); i >= 0 {
		return ps[i], true
	}
	return localapi.Project{}, false
}

// above returns the project whose directory is dir, or the nearest above it.
func above(ps []localapi.Project, dir string) (localapi.Project, bool) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return aboveID(ps, dir, dirID(dir))
}

// aboveID is above where the identity of dir is known, and dir may be gone.
func aboveID(ps []localapi.Project, dir, id string) (localapi.Project, bool) {
	for {
		if p, ok := at(ps, dir, id); ok {
			return p, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return localapi.Project{}, false
		}
		dir, id = up, dirID(up)
	}
}

// find returns the project of the working directory, or the one that was named,
// as the daemon knows it.
func (a *app) find(ctx context.Context, c *localapi.Client, all bool) (localapi.Project, error) {
	return a.findAmong(func() (localapi.Projects, error) { return c.Projects(ctx, all) })
}

// findAmong is find in a list.
func (a *app) findAmong(list func() (localapi.Projects, error)) (localapi.Project, error) {
	ps, err := list()
	if err != nil {
		return localapi.Project{}, err
	}
	if a.project != "" {
		return a.byName(ps.Projects)
	}
	p, err := a.load()
	if err == nil {
		if q, ok := at(ps.Projects, p.Dir, dirID(p.Dir)); ok {
			a.noteKeeper(q)
			return q, nil
		}
	}
	// What is up can be looked at and stopped, whatever its file says by now.
	if dir, id := a.workDir(); err != nil || p.ConfigPath == "" {
		if q, ok := aboveID(ps.Projects, dir, id); ok && (err != nil || lostItsFile(q)) {
			a.noteKeeper(q)
			return q, nil
		}
	}
	lost := slices.DeleteFunc(ps.Projects, func(q localapi.Project) bool { return !isLost(q) })
	if err != nil && len(lost) == 0 {
		return localapi.Project{}, err
	}
	e := &notUpError{lost: lost}
	if err != nil {
		e.what = err.Error()
	} else {
		e.what = fmt.Sprintf("find project %s: it is not up", p.Dir)
	}
	return localapi.Project{}, e
}

// lostItsFile reports whether a project that is up has services, and no file
// that says so any more.
func lostItsFile(p localapi.Project) bool {
	if !slices.ContainsFunc(p.Services, func(s service.Status) bool { return s.Kind == service.KindService }) {
		return false
	}
	for _, name := range []string{project.ConfigName, project.ProcfileName} {
		if _, err := os.Lstat(filepath.Join(p.Path, name)); err == nil {
			return false
		}
	}
	return true
}

// isLost reports whether a project is up and its directory is not where it was.
func isLost(p localapi.Project) bool {
	if p.State != "up" {
		return false
	}
	if p.DirectoryProblem != "" {
		return true
	}
	_, err := os.Lstat(p.Path)
	return errors.Is(err, os.ErrNotExist)
}

// byName returns the project that --project names.
func (a *app) byName(ps []localapi.Project) (localapi.Project, error) {
	path := a.project
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.env.Dir, path)
	}
	found := projectsCalled(ps, a.project)
	if len(found) == 0 {
		found = projectsWith(ps, func(p localapi.Project) bool { return p.DirectoryNow == path || p.Path == path })
	}
	switch len(found) {
	case 0:
		return localapi.Project{}, &hinted{err: fmt.Errorf("find project %s: none that is known has that name", a.project), hint: "lodge ls --all"}
	case 1:
		a.noteKeeper(found[0])
		return found[0], nil
	}
	return localapi.Project{}, &hinted{err: fmt.Errorf("find project %s: %d have that name", a.project, len(found)), hint: "--project " + found[0].ID + ", or --project " + found[1].ID}
}

// noteMoved says that the directory in which a command was called is not the one
// in which the project's services were started, or had another name then.
func (a *app) noteMoved(p localapi.Project, dir string) {
	switch here := dirID(dir); {
	case p.DirectoryProblem == "":
	case p.DirectoryID == here && here != "":
		a.note(fmt.Sprintf("%s was opened at %s, which was renamed since: its home and its names stay the same until `lodge down`", p.Shown(), p.Path))
	case p.DirectoryProblem == keeperapi.DirReplaced:
		a.note(fmt.Sprintf("%s runs in another directory, which had this path and %s; `lodge restart` runs its services here", p.Shown(), became(p)))
	}
}

// loadOf reads the file of a project that is up: that of the working directory,
// or of the one that --project names.
func (a *app) loadOf(st localapi.Project) (*project.Project, error) {
	if a.project == "" {
		return a.load()
	}
	dir := st.Path
	if st.DirectoryNow != "" {
		dir = st.DirectoryNow
	}
	return project.Load(dir, project.WithHome(a.home()))
}

// withRunning calls do with the session of the project here, or the one that was
// named, if it is up. Else the error is loadErr, which is why the project's file
// says nothing, or nil.
func (a *app) withRunning(ctx context.Context, ch choices, loadErr error, do func(*localapi.Client, *localapi.Session) error) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	q, err := a.find(ctx, c, false)
	if err != nil {
		if loadErr != nil && a.project == "" {
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
			return &hinted{err: fmt.Errorf("use %s %s: project %s runs with %s", w.what, w.want, q.Name, w.has), hint: "end it first: lodge down"}
		}
	}
	return do(c, localapi.NewSession(q))
}
