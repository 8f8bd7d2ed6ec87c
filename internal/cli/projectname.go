package cli

import "lodge/internal/localapi"

// isCalled reports whether a word is the name or the label of a project.
func isCalled(p localapi.Project, word string) bool { return p.Label == word || p.Name == word }

// projectsCalled returns the projects with the id that a word is, or else those
// with the label, or else those with the name.
func projectsCalled(ps []localapi.Project, word string) []localapi.Project {
	for _, is := range []func(localapi.Project) bool{
		func(p localapi.Project) bool { return p.ID == word },
		func(p localapi.Project) bool { return p.Label == word },
		func(p localapi.Project) bool { return p.Name == word },
	} {
		if found := projectsWith(ps, is); len(found) > 0 {
			return found
		}
	}
	return nil
}

func projectsWith(ps []localapi.Project, is func(localapi.Project) bool) []localapi.Project {
	var found []localapi.Project
	for _, p := range ps {
		if is(p) {
			found = append(found, p)
		}
	}
	return found
}
