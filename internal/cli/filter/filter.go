// Package filter is the language of filters as the commands take it: the fields of
// sockets with what this machine knows of users and paths, what a host name in a
// filter means, errors as wrong usage, and the words that a shell completes.
package filter

import (
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/names"
	"lodge/internal/project"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/sockets"
)

// Sockets returns the fields of sockets, with what this machine knows of
// users and paths. unix says that Unix sockets are asked for.
func Sockets(unix bool) *socketquery.Schema {
	return socketquery.New(socketquery.Options{
		Unix: unix, Host: isHostWord, User: ParseUser, Paths: unixPaths, Nearest: project.Nearest, Now: time.Now(),
	})
}

// Error returns the error of a filter as wrong usage.
func Error(err error) error {
	var q *query.Error
	if errors.As(err, &q) {
		return &kit.UsageError{Err: q, Hint: q.Hint}
	}
	return err
}

// ResolveAny returns a filter in which a name matches by any part of it, be it a
// process's, a project's or a service's. It asks no daemon what a host name leads to.
func ResolveAny(s *socketquery.Schema, e query.Expr) query.Expr {
	return s.Resolve(e, nil, func(host string, port query.Value) []*query.Term { return hostTerms(s, host, port, nil) })
}

// Resolve returns a filter with the meaning that its names have among the
// homes. find, which may be nil, says what a host name leads to.
func Resolve(s *socketquery.Schema, e query.Expr, homes []sockets.Home, find func(host string) *daemonview.Found) query.Expr {
	isProject := func(name string) bool {
		return slices.ContainsFunc(homes, func(h sockets.Home) bool { return h.Project == name })
	}
	return s.Resolve(e, isProject, func(host string, port query.Value) []*query.Term {
		var f *daemonview.Found
		if find != nil {
			f = find(host)
		}
		return hostTerms(s, host, port, f)
	})
}

// hostTerms returns what a host name and its port mean; f is what it leads to, or
// nil where that is not known.
func hostTerms(s *socketquery.Schema, host string, port query.Value, f *daemonview.Found) []*query.Term {
	svc, _ := ReadHost(host)
	if f != nil {
		svc.Project = f.Project.Shown()
		if f.Service != nil {
			svc.Service = f.Service.Name
		}
	}
	var out []*query.Term
	// An address with the port of lodge's proxy means the service behind it.
	if port.Low >= 0 && !(f != nil && !f.TCP && port.Low == int64(daemonview.URLPort(f.Project.URL))) {
		out = append(out, s.Numbers(socketquery.Port, port.Low, port.High))
	}
	if svc.Service == "" {
		return append(out, s.Texts(socketquery.Project, svc.Project))
	}
	return append(out, s.Flag(socketquery.Service, query.Eq, svc.Project+"/"+svc.Service, query.Value{Text: svc.Project, Name: svc.Service}))
}

// ProjectService is a service of a project; all of them where it is "".
type ProjectService struct{ Project, Service string }

// isHostWord reports whether a word is a name below localhost or test.
func isHostWord(text string) bool {
	_, ok := ReadHost(text)
	return ok
}

// ReadHost reads web.shop.localhost and web.shop.test, whatever stands in
// front: the service web of the project shop, as those are mostly called.
func ReadHost(text string) (ProjectService, bool) {
	labels := strings.Split(names.Normalize(text), ".")
	n := len(labels)
	if n < 2 || labels[n-1] != names.HTTPDomain && labels[n-1] != names.TCPDomain || slices.Contains(labels, "") {
		return ProjectService{}, false
	}
	svc := ProjectService{Project: labels[n-2]}
	if n > 2 {
		svc.Service = labels[n-3]
	}
	return svc, true
}

// unixPaths returns the ways in which a socket at a path may have been bound.
func unixPaths(path string) []string {
	out := []string{path}
	if strings.HasPrefix(path, "@") {
		return out
	}
	for _, f := range []func(string) (string, error){filepath.Abs, filepath.EvalSymlinks} {
		if p, err := f(path); err == nil && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
		out = append(out, "/run/"+rest)
	} else if rest, ok := strings.CutPrefix(path, "/run/"); ok {
		out = append(out, "/var/run/"+rest)
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// Choose reads one of a closed list of words. Case, - and _ do not matter;
// also maps other spellings to some of them.
func Choose(what, text string, list []string, also map[string]string) (string, error) {
	w, hint := query.Choose(text, list, also, project.Nearest)
	if w == "" {
		return "", &kit.UsageError{Err: fmt.Errorf("read %s %q: there is none such", what, text), Hint: hint}
	}
	return w, nil
}

// ParseState reads a state of sockets.
func ParseState(text string) (string, error) {
	return Choose("state", text, socketquery.States(), socketquery.OtherStates())
}

// ParseScope reads a scope of addresses.
func ParseScope(text string) (string, error) {
	return Choose("scope", text, socketquery.Scopes(), socketquery.OtherScopes())
}

// ParseUser reads a user's name or number.
func ParseUser(text string) (uint32, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(text)
	if err != nil {
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			err = errors.New("there is none such")
		}
		return 0, &kit.UsageError{Err: fmt.Errorf("read user %q: %w", text, err), Hint: "a name of /etc/passwd, or a number"}
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read user %q: %w", text, err)
	}
	return uint32(n), nil
}

// ParsePID reads a process id.
func ParsePID(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, &kit.UsageError{Err: fmt.Errorf("read process id %q: it is not a positive number", text), Hint: "lodge ports --process NAME selects by name"}
	}
	return n, nil
}
