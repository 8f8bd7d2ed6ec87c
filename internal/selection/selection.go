// Package selection finds projects and services by the words and directories by which a
// user names them. It selects from what the daemon knows, and asks nothing.
package selection

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/service"
)

// Called reports whether a word is the label or the name of a project.
func Called(p localapi.Project, word string) bool { return p.Label == word || p.Name == word }

// Projects returns the projects with the id that a word is, or else those with the label,
// or else those with the name, or else those whose directory it is, as seen from dir.
func Projects(ps []localapi.Project, word, dir string) []localapi.Project {
	path := word
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	for _, is := range []func(localapi.Project) bool{
		func(p localapi.Project) bool { return p.ID == word },
		func(p localapi.Project) bool { return p.Label == word },
		func(p localapi.Project) bool { return p.Name == word },
		func(p localapi.Project) bool { return p.DirectoryNow == path || p.Path == path },
	} {
		var found []localapi.Project
		for _, p := range ps {
			if is(p) {
				found = append(found, p)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// Project returns the one project of [Projects]. That there is none, or several, is an
// error with a hint.
func Project(ps []localapi.Project, word, dir string) (localapi.Project, error) {
	found := Projects(ps, word, dir)
	switch len(found) {
	case 0:
		return localapi.Project{}, &localapi.Error{Message: fmt.Sprintf("find project %s: none that is known has that name", word), Hint: "lodge ls --all"}
	case 1:
		return found[0], nil
	}
	return localapi.Project{}, &localapi.Error{
		Message: fmt.Sprintf("find project %s: %d have that name", word, len(found)),
		Hint:    "--project " + found[0].ID + ", or --project " + found[1].ID,
	}
}

// At returns the project with this directory: the directory itself, by its id
// ([DirectoryID]), wherever it was when the project was opened, else the one that was
// opened at its path. id is "" where it is not known.
func At(ps []localapi.Project, path, id string) (localapi.Project, bool) {
	if i := slices.IndexFunc(ps, func(p localapi.Project) bool { return id != "" && p.DirectoryID == id }); i >= 0 {
		return ps[i], true
	}
	if i := slices.IndexFunc(ps, func(p localapi.Project) bool { return p.Path == path }); i >= 0 {
		return ps[i], true
	}
	return localapi.Project{}, false
}

// Above returns the project whose directory is dir, or the nearest above it.
func Above(ps []localapi.Project, dir string) (localapi.Project, bool) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return AboveID(ps, dir, DirectoryID(dir))
}

// AboveID is [Above] where the id of dir is known, and dir may be gone.
func AboveID(ps []localapi.Project, dir, id string) (localapi.Project, bool) {
	for {
		if p, ok := At(ps, dir, id); ok {
			return p, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return localapi.Project{}, false
		}
		dir, id = up, DirectoryID(up)
	}
}

// DirectoryID returns the device and inode of a directory, by which it is known also
// after it was renamed, or "" where there is none.
func DirectoryID(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return keeperapi.DirID(fi)
}

// Service finds a service of a project that is up by its name.
func Service(p localapi.Project, name string) (service.Status, error) {
	var known []string
	for _, s := range p.Services {
		if s.Name == name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	for _, s := range p.Services {
		for _, n := range s.PortNames {
			if !slices.Contains(known, n.Name) {
				known = append(known, n.Name)
			}
		}
	}
	hint := "there are: " + strings.Join(known, ", ")
	if len(known) == 0 {
		hint = "it has none"
	}
	return service.Status{}, &localapi.Error{Message: fmt.Sprintf("find service %s: %s has no such service", name, p.Name), Hint: hint}
}
