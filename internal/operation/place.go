package operation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/selection"
	"lodge/internal/service"
)

// Place says which project is meant: the one of a directory, or the one that is
// named.
type Place struct {
	// Dir is the caller's working directory, absolute.
	Dir string
	// DirErr is why the working directory of this process is not known; Dir is /
	// then.
	DirErr error
	// Home is the user's home directory, or "": a file there does not make a
	// project of all that is below.
	Home string
	// Project names the project: a label, a name, an id or a directory; "" is the
	// project of Dir.
	Project string
}

// NotUpError says that the project that is meant is not up.
type NotUpError struct {
	what string
	// Lost are projects that are up and whose directory is not where it was: one
	// of them may be meant.
	Lost []localapi.Project
}

func (e *NotUpError) Error() string {
	text := e.what
	for _, p := range e.Lost {
		text += fmt.Sprintf("; %s is up, and its directory %s %s", p.Shown(), p.Path, Became(p))
	}
	return text
}

// Hint returns the command that may help.
func (e *NotUpError) Hint() string {
	if len(e.Lost) == 0 {
		return "lodge up, or: lodge ls --all"
	}
	return "lodge down --project " + e.Lost[0].ID + " ends it, lodge down --all everything"
}

// Became puts into words what happened to a project's directory.
func Became(p localapi.Project) string {
	switch {
	case p.DirectoryNow != "":
		return "is " + p.DirectoryNow + " now"
	case p.DirectoryProblem == keeperapi.DirReplaced:
		return "was removed and made anew"
	}
	return "was removed"
}

// Load reads the project that the directory is in.
func (w Place) Load() (*project.Project, error) {
	if w.DirErr != nil {
		return nil, &localapi.Error{Message: fmt.Sprintf("find working directory: %v", w.DirErr), Hint: "it may have been removed; cd to another"}
	}
	return project.Load(w.Dir, project.WithHome(w.Home))
}

// LoadOf reads the file of a project that is up: that of the directory, or of the
// project that is named.
func (w Place) LoadOf(st localapi.Project) (*project.Project, error) {
	if w.Project == "" {
		return w.Load()
	}
	dir := st.Path
	if st.DirectoryNow != "" {
		dir = st.DirectoryNow
	}
	return project.Load(dir, project.WithHome(w.Home))
}

// workDir returns the directory, also one that was removed, and its identity.
func (w Place) workDir() (path, id string) {
	at := w.Dir
	if w.DirErr != nil {
		const self = "/proc/self/cwd"
		link, err := os.Readlink(self)
		if err != nil {
			return w.Dir, ""
		}
		path, at = strings.TrimSuffix(link, " (deleted)"), self
	} else if path, _ = filepath.EvalSymlinks(at); path == "" {
		path = at
	}
	return path, selection.DirectoryID(at)
}

// Find returns the project that is meant, among those that the daemon knows. Its
// error is a *NotUpError where that is not up.
func (w Place) Find(ps []localapi.Project) (localapi.Project, error) {
	if w.Project != "" {
		return selection.Project(ps, w.Project, w.Dir)
	}
	p, err := w.Load()
	if err == nil {
		if q, ok := selection.At(ps, p.Dir, selection.DirectoryID(p.Dir)); ok {
			return q, nil
		}
	}
	// What is up can be looked at and stopped, whatever its file says by now.
	if dir, id := w.workDir(); err != nil || p.ConfigPath == "" {
		if q, ok := selection.AboveID(ps, dir, id); ok && (err != nil || lostItsFile(q)) {
			return q, nil
		}
	}
	lost := slices.DeleteFunc(slices.Clone(ps), func(q localapi.Project) bool { return !isLost(q) })
	if err != nil && len(lost) == 0 {
		return localapi.Project{}, err
	}
	e := &NotUpError{Lost: lost}
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

// serviceNames lists the services that a project's file has.
func serviceNames(p *project.Project) []string {
	out := make([]string, len(p.Services))
	for i, s := range p.Services {
		out[i] = s.Name
	}
	return out
}
