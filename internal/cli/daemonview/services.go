package daemonview

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/selection"
	"lodge/internal/service"
)

// Service is a service that was meant by a word.
type Service struct {
	Project localapi.Project
	Status  service.Status
	Port    uint16 // the one that was meant, or 0
}

func (n *Service) String() string { return n.Project.Shown() + "/" + n.Status.Name }

// ServiceNamed finds the service that a word means: PROJECT/SERVICE, or
// SERVICE alone, which is first one of the project here and else the only one
// of that name, unless other says that the word means something else already.
// It returns nil for a word that means none.
func (v *View) ServiceNamed(word, dir string, other bool) (*Service, error) {
	if strings.ContainsAny(word, ".:[") {
		return nil, nil
	}
	if project, svc, ok := strings.Cut(word, "/"); ok {
		return v.inProject(project, svc)
	}
	if p, ok := selection.Above(v.own.projects, dir); ok {
		if n := inside(p, word); n != nil {
			return n, nil
		}
	}
	if other {
		return nil, nil
	}
	var all []*Service
	for _, p := range v.Projects {
		if n := inside(p, word); n != nil {
			all = append(all, n)
		}
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	var which []string
	for _, n := range all {
		which = append(which, n.String())
	}
	return nil, &kit.UsageError{Err: fmt.Errorf("find service %s: %d projects have one", word, len(all)), Hint: "say which: " + strings.Join(which, ", ")}
}

// ProjectNamed returns the label of the project that a word names, or "".
func (v *View) ProjectNamed(word string) string {
	for _, p := range v.Projects {
		if selection.Called(p, word) {
			return p.Label
		}
	}
	return ""
}

// inProject finds a service of the project that has the name, or nil if there is no
// such project.
func (v *View) inProject(project, svc string) (*Service, error) {
	for _, p := range v.Projects {
		if !selection.Called(p, project) {
			continue
		}
		if n := inside(p, svc); n != nil {
			return n, nil
		}
		if svc == "" || strings.Contains(svc, "/") {
			return nil, nil // a path
		}
		_, err := selection.Service(p, svc)
		return nil, err
	}
	return nil, nil
}

// inside finds what a project calls by a name: a service, or a port of one.
func inside(p localapi.Project, name string) *Service {
	if i := IndexOf(p, name); i >= 0 {
		return &Service{Project: p, Status: p.Services[i]}
	}
	for _, s := range p.Services {
		for _, n := range s.PortNames {
			if n.Name == name {
				return &Service{Project: p, Status: s, Port: n.Port}
			}
		}
	}
	return nil
}

// IndexOf returns the index of a project's service by its name, or -1.
func IndexOf(p localapi.Project, svc string) int {
	return slices.IndexFunc(p.Services, func(s service.Status) bool { return s.Name == svc })
}

// HostName returns the host name of the service for people: below localhost
// if it speaks HTTP, else below test.
func (n *Service) HostName() string {
	if n.Status.URL != "" {
		return n.Status.Name + "." + n.Project.Label + "." + names.HTTPDomain
	}
	return n.Status.HostName
}

// IsNumber reports whether a word is a number, such as a port: it names no service.
func IsNumber(word string) bool { return word != "" && strings.Trim(word, "0123456789") == "" }
