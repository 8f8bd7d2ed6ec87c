package project

import (
	"fmt"
	"path/filepath"

	"github.com/pelletier/go-toml/v2/unstable"

	"lodge/internal/refs"
)

// env reads a table of variables. key is its full name.
func (r *reader) env(it *item, key string) ([]entry, error) {
	v := it.value
	if v.table == nil {
		return nil, r.wrongType(v, key, "a table", `write env = { NAME = "value" }`)
	}
	var out []entry
	for _, name := range v.table.keys {
		sub := v.table.items[name]
		if problem := envProblem(name); problem != "" {
			return nil, r.fail(sub.offset, key, problem, "")
		}
		hint := ""
		switch sub.value.kind {
		case unstable.Integer, unstable.Bool, unstable.Float:
			hint = fmt.Sprintf("write %s = %q", name, sub.value.text)
		}
		text, err := r.typed(sub.value, key+"."+name, unstable.String, "a string", hint)
		if err != nil {
			return nil, err
		}
		out = append(out, entry{name, text, key + "." + name, sub.value.offset})
	}
	return out, nil
}

// serviceRefs notes the references of a service's variables to services.
func (r *reader) serviceRefs(service string) {
	for _, e := range r.project.vars.of(service).env {
		for _, ref := range refs.Find(e.text) {
			r.refs = append(r.refs, reference{service, e.key, e.offset, ref})
		}
	}
}

// envFiles reads the path of a file, or an array of paths, or of tables as
// compose has them: { path = "…", required = false }. key is the full name.
func (r *reader) envFiles(it *item, key string) ([]envFile, error) {
	v := it.value
	if v.kind != unstable.Array || v.tables {
		f, err := r.envFile(v, key)
		return []envFile{f}, err
	}
	var out []envFile
	for i, elem := range v.elems {
		f, err := r.envFile(elem, fmt.Sprintf("%s[%d]", key, i))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (r *reader) envFile(v *value, key string) (envFile, error) {
	f := envFile{key: key, offset: v.offset, required: true}
	if v.table != nil {
		for _, name := range v.table.keys {
			sub := v.table.items[name]
			switch name {
			case "path":
				inner, err := r.envFile(sub.value, key+".path")
				if err != nil {
					return envFile{}, err
				}
				f.path, f.offset = inner.path, inner.offset
			case "required":
				text, err := r.typed(sub.value, key+".required", unstable.Bool, "true or false", "")
				if err != nil {
					return envFile{}, err
				}
				f.required = text == "true"
			default:
				return envFile{}, r.fail(sub.offset, key, fmt.Sprintf("unknown key %s", ellipsis(name)), "known here: path, required")
			}
		}
		if f.path == "" {
			return envFile{}, r.fail(v.offset, key, "path is missing", `write { path = ".env.local", required = false }`)
		}
		return f, nil
	}
	path, err := r.typed(v, key, unstable.String, "the path of a file, or an array of them", "")
	switch {
	case err != nil:
		return envFile{}, err
	case path == "":
		return envFile{}, r.fail(v.offset, key, "the path is empty", "write env_file = [] for none")
	case !filepath.IsAbs(path):
		path = filepath.Join(r.project.Dir, path)
	}
	f.path = path
	return f, nil
}

// envProblem reports why a shell could not use a variable of this name (POSIX.1,
// XBD 3.216 Name), or "".
func envProblem(name string) string {
	if name == "" {
		return "a variable's name cannot be empty"
	}
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r >= '0' && r <= '9' && i > 0:
		case i == 0 && r >= '0' && r <= '9':
			return fmt.Sprintf("%s is not a variable's name: it begins with a digit", ellipsis(name))
		default:
			return fmt.Sprintf("%s is not a variable's name: %q is not one of A-Z, a-z, 0-9 and _", ellipsis(name), r)
		}
	}
	return ""
}
