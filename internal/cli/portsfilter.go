package cli

import (
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/names"
	"lodge/internal/project"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/sockets"
	"lodge/internal/tui"
)

// socketSchema returns the fields of sockets, with what this machine knows of
// users and paths. unix says that Unix sockets are asked for.
func socketSchema(unix bool) *socketquery.Schema {
	return socketquery.New(socketquery.Options{
		Unix: unix, Host: isHostWord, User: parseUser, Paths: unixPaths, Nearest: project.Nearest, Now: time.Now(),
	})
}

// filterError returns the error of a filter as wrong usage.
func filterError(err error) error {
	var q *query.Error
	if errors.As(err, &q) {
		return &usageError{err: q, hint: q.Hint}
	}
	return err
}

// parseTopFilter reads what is typed as a filter of top, in which a name matches
// by any part of it, be it a process's, a project's or a service's.
func parseTopFilter(text string) (tui.Match, error) {
	s := socketSchema(false)
	e, err := query.ParseText(text, &s.Schema)
	if err != nil {
		return nil, filterError(err)
	}
	if e == nil {
		return func(*sockets.Row) bool { return true }, nil
	}
	e = s.Resolve(e, nil, func(host string, port query.Value) []*query.Term { return hostTerms(s, host, port, nil) })
	return socketquery.Keep(e, time.Now), nil
}

// resolveFilter returns a filter with the meaning that its names have among the
// homes. find, which may be nil, says what a host name leads to.
func resolveFilter(s *socketquery.Schema, e query.Expr, homes []sockets.Home, find func(host string) *found) query.Expr {
	isProject := func(name string) bool {
		return slices.ContainsFunc(homes, func(h sockets.Home) bool { return h.Project == name })
	}
	return s.Resolve(e, isProject, func(host string, port query.Value) []*query.Term {
		var f *found
		if find != nil {
			f = find(host)
		}
		return hostTerms(s, host, port, f)
	})
}

// hostTerms returns what a host name and its port mean; f is what it leads to, or
// nil where that is not known.
func hostTerms(s *socketquery.Schema, host string, port query.Value, f *found) []*query.Term {
	svc, _ := readHost(host)
	if f != nil {
		svc.project = f.project.Shown()
		if f.service != nil {
			svc.service = f.service.Name
		}
	}
	var out []*query.Term
	// An address with the port of lodge's proxy means the service behind it.
	if port.Low >= 0 && !(f != nil && !f.tcp && port.Low == int64(urlPort(f.project.URL))) {
		out = append(out, s.Numbers(socketquery.Port, port.Low, port.High))
	}
	if svc.service == "" {
		return append(out, s.Texts(socketquery.Project, svc.project))
	}
	return append(out, s.Flag(socketquery.Service, query.Eq, svc.project+"/"+svc.service, query.Value{Text: svc.project, Name: svc.service}))
}

// projectService is a service of a project; all of them where it is "".
type projectService struct{ project, service string }

// isHostWord reports whether a word is a name below localhost or test.
func isHostWord(text string) bool {
	_, ok := readHost(text)
	return ok
}

// readHost reads web.shop.localhost and web.shop.test, whatever stands in
// front: the service web of the project shop, as those are mostly called.
func readHost(text string) (projectService, bool) {
	labels := strings.Split(names.Normalize(text), ".")
	n := len(labels)
	if n < 2 || labels[n-1] != names.HTTPDomain && labels[n-1] != names.TCPDomain || slices.Contains(labels, "") {
		return projectService{}, false
	}
	svc := projectService{project: labels[n-2]}
	if n > 2 {
		svc.service = labels[n-3]
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

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// choose reads one of a closed list of words. Case, - and _ do not matter;
// also maps other spellings to some of them.
func choose(what, text string, list []string, also map[string]string) (string, error) {
	w, hint := query.Choose(text, list, also, project.Nearest)
	if w == "" {
		return "", &usageError{err: fmt.Errorf("read %s %q: there is none such", what, text), hint: hint}
	}
	return w, nil
}

func parseState(text string) (string, error) {
	return choose("state", text, socketquery.States(), socketquery.OtherStates())
}

func parseScope(text string) (string, error) {
	return choose("scope", text, socketquery.Scopes(), socketquery.OtherScopes())
}

// parseUser reads a user's name or number.
func parseUser(text string) (uint32, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(text)
	if err != nil {
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			err = errors.New("there is none such")
		}
		return 0, &usageError{err: fmt.Errorf("read user %q: %w", text, err), hint: "a name of /etc/passwd, or a number"}
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read user %q: %w", text, err)
	}
	return uint32(n), nil
}

func parsePID(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, &usageError{err: fmt.Errorf("read process id %q: it is not a positive number", text), hint: "lodge ports --process NAME selects by name"}
	}
	return n, nil
}
