package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/internal/project/dotenv"
	"lodge/internal/project/syntax"
	"lodge/internal/refs"
)

// DotenvName is the env file that is read by default.
const DotenvName = ".env"

// vars is what a lodge.toml says about variables, as it is written.
type vars struct {
	syntax.Source
	start string // the directory in which Load started
	level
	services map[string]*level
}

// level is the variables of the project or of a service.
type level struct {
	env   []entry
	files []envFile
	given bool // env_file is set
}

// entry is a variable of env.
type entry struct {
	name, text string
	key        string // its full name
	offset     int    // of its value
}

// envFile is a file of variables.
type envFile struct {
	path     string
	key      string
	offset   int
	required bool
}

func newVars(src syntax.Source) *vars { return &vars{Source: src, services: map[string]*level{}} }

func (v *vars) of(service string) *level {
	l := v.services[service]
	if l == nil {
		l = &level{}
		v.services[service] = l
	}
	return l
}

// Resolve reads the env files of a lodge.toml and replaces the variables in
// env, with environ as the environment of the caller. What a service has for a
// name is the first of:
//
//   - its own env;
//   - its own env_file, of which later files count more;
//   - the project's env;
//   - the environment of the caller, where one of the project's files has the name;
//   - the project's env_file, or .env;
//   - what lodge gives: PORT, and NAME_PORT and its kin of services that it needs;
//   - the environment of the caller.
//
// ${NAME} is what the name would have without that line. What is wrong is an
// *Error. A Procfile's variables were read by Load.
func (p *Project) Resolve(environ []string) error {
	return p.ResolveFor(environ, serviceNames(p.Services)...)
}

func serviceNames(services []Service) []string {
	out := make([]string, len(services))
	for i, s := range services {
		out[i] = s.Name
	}
	return out
}

// ResolveFor is Resolve for the project's own variables and the named services:
// what is wrong with the others does not matter.
func (p *Project) ResolveFor(environ []string, services ...string) error {
	if p.vars == nil {
		return nil
	}
	shell := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			shell[name] = value
		}
	}
	r := &resolver{project: p, vars: p.vars, shell: shell}
	base, err := r.base()
	if err != nil {
		return err
	}
	p.Env, p.EnvNames = nil, nil
	if err := r.table(p.vars.env, base, nil, p.setEnv); err != nil {
		return err
	}
	base.over(p.Env, p.EnvNames)
	p.Env, p.EnvNames = base.values, base.names
	for i := range p.Services {
		if !slices.Contains(services, p.Services[i].Name) {
			continue
		}
		if err := r.service(&p.Services[i], base); err != nil {
			return err
		}
	}
	return nil
}

type resolver struct {
	project *Project
	vars    *vars
	shell   map[string]string
}

// scope is a set of variables, as texts for refs.Expand.
type scope struct {
	values map[string]string
	names  []string
}

func (s *scope) set(name, value string) { setEnv(&s.values, &s.names, name, value) }

func (s *scope) over(values map[string]string, names []string) {
	for _, name := range names {
		s.set(name, values[name])
	}
}

func (s *scope) drop(name string) {
	if _, ok := s.values[name]; ok {
		delete(s.values, name)
		s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == name })
	}
}

// base returns what the project's files set, and the caller over them.
func (r *resolver) base() (*scope, error) {
	files := r.vars.files
	if !r.vars.given {
		path := filepath.Join(r.project.Dir, DotenvName)
		if _, err := os.Lstat(path); err == nil && !isVirtualenv(path) {
			files = []envFile{{path: path}}
		}
	}
	s := &scope{}
	if err := r.files(files, s, true); err != nil {
		return nil, err
	}
	return s, nil
}

// brokenLink is the error of an env file that is missing only because it is a
// symbolic link that leads nowhere, unless it may be missing.
func brokenLink(f envFile) error {
	if target, err := os.Readlink(f.path); err == nil && f.key == "" {
		return fmt.Errorf("read %s: it is a symbolic link to %s, which is not there", f.path, syntax.Ellipsis(target))
	}
	return nil
}

// isVirtualenv reports whether a directory is one of Python's virtual
// environments, which many call .env.
func isVirtualenv(dir string) bool {
	for _, name := range []string{"pyvenv.cfg", "bin/python"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// files reads env files into a scope.
func (r *resolver) files(files []envFile, into *scope, callerFirst bool) error {
	for _, f := range files {
		env, err := r.file(f, into)
		if err != nil {
			return err
		}
		for _, v := range env {
			if value, ok := r.shell[v.Name]; ok && callerFirst {
				v.Value = value
			}
			into.set(v.Name, refs.Quote(v.Value))
		}
		if err := r.bound(into, f); err != nil {
			return err
		}
	}
	return nil
}

// file reads an env file, which may refer to variables of those before it.
func (r *resolver) file(f envFile, before *scope) ([]dotenv.Variable, error) {
	data, err := readFile(f.path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		if !f.required {
			return nil, brokenLink(f)
		}
		return nil, r.vars.Fail(f.offset, f.key, "there is no file "+syntax.Ellipsis(r.shown(f.path)), "write { path = …, required = false } for one that may be missing")
	}
	if err == nil {
		err = checkOwner(f.path, r.vars.start)
	}
	if err != nil && f.key != "" {
		return nil, r.vars.Fail(f.offset, f.key, err.Error(), "")
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%s is read by default; env_file = [] in %s reads none)", err, DotenvName, ConfigName)
	}
	src := syntax.NewSource(f.path, data)
	src.Shown = r.shown(f.path)
	return dotenv.Parse(src, func(name string) (string, bool) {
		if v, ok := r.shell[name]; ok {
			return v, true
		}
		v, ok := before.values[name]
		if !ok {
			return "", false
		}
		v, err := refs.Expand(v, func(refs.Ref) (string, error) { return "", errors.ErrUnsupported })
		return v, err == nil
	})
}

func (r *resolver) shown(path string) string {
	if rel, err := filepath.Rel(r.project.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// service resolves what a service has over the caller's environment.
func (r *resolver) service(s *Service, base *scope) error {
	own, l := &scope{}, r.vars.of(s.Name)
	if !l.given || len(l.files) > 0 {
		own.over(base.values, base.names)
	} else { // env_file = []: the project's files are not for it
		for _, e := range r.vars.env {
			own.set(e.name, base.values[e.name])
		}
	}
	if s.Port.IsSet() || s.Listen.IsSet() {
		own.drop("PORT") // that of the file is for services that do not say
	}
	if err := r.files(l.files, own, false); err != nil {
		return err
	}
	if err := r.table(l.env, own, s, own.set); err != nil {
		return err
	}
	s.Env, s.EnvNames = own.values, own.names
	return nil
}

// table resolves a table of variables. s is the service that they are for, or
// nil. A variable may refer to those above it.
func (r *resolver) table(env []entry, in *scope, s *Service, set func(name, value string)) error {
	done := map[string]string{}
	total := 0
	for _, e := range env {
		text, err := refs.Variables(e.text, func(name string) (string, bool) {
			if v, ok := done[name]; ok {
				return v, true
			}
			if v, ok := in.values[name]; ok {
				return v, true
			}
			return r.outer(name, s)
		})
		if err == nil && s == nil {
			for _, ref := range refs.Find(text) {
				err = &refs.Problem{Offset: max(0, strings.Index(e.text, ref.String())), Own: true,
					Text: ref.String() + " is known only to services that need " + ref.Service + ": write it in their env"}
			}
		}
		var p *refs.Problem
		if errors.As(err, &p) {
			hint := dotenv.HintOf(p, "$$ is a literal $")
			if below := slices.IndexFunc(env, func(o entry) bool { return p.Text == o.name+" is not set" }); below >= 0 {
				hint = env[below].name + " is set below: a variable sees those above it"
			}
			return r.vars.Fail(r.vars.within(e, p.Offset), e.key, p.Text, hint)
		}
		if err != nil {
			return err
		}
		size := textSize(e.name, text)
		total += size
		switch {
		case size > refs.MaxValue:
			return r.vars.Fail(e.offset, e.key, dotenv.TooLarge, refs.HintTooLarge)
		case total > dotenv.MaxVariables:
			return r.vars.Fail(e.offset, e.key, dotenv.TooLargeTogether(), "")
		}
		done[e.name] = text
		set(e.name, text)
	}
	return nil
}

// outer looks a variable up that no file sets: what lodge gives to the service,
// and the caller's environment.
func (r *resolver) outer(name string, s *Service) (string, bool) {
	switch name {
	case refs.ProjectDir:
		return refs.Quote(r.project.Dir), true
	case "LODGE_HOME":
		return "${" + refs.Home + "}", true
	case "LODGE_PROJECT":
		return refs.Quote(r.project.Name), true
	}
	if s != nil {
		switch {
		case name == "LODGE_SERVICE":
			return s.Name, true
		case name == "PORT" && (s.Port.IsSet() || s.Listen.IsSet()):
			return refs.Ref{Service: s.Name, Fact: refs.Port}.String(), true
		}
		for _, need := range s.Needs {
			for _, fact := range refs.Facts() {
				if name == strings.ToUpper(strings.ReplaceAll(need, "-", "_")+"_"+fact) {
					return refs.Ref{Service: need, Fact: fact}.String(), true
				}
			}
		}
	}
	v, ok := r.shell[name]
	return refs.Quote(v), ok
}

// within returns where a byte of a variable's text stands in the file, or where
// its value begins if that has escapes or several lines.
func (v *vars) within(e entry, offset int) int {
	rest := v.Data[e.offset:]
	if len(rest) > 0 && (rest[0] == '"' || rest[0] == '\'') && strings.HasPrefix(string(rest[1:min(len(rest), 1+len(e.text))]), e.text) && !strings.Contains(e.text, "\n") {
		return e.offset + 1 + offset
	}
	return e.offset
}
