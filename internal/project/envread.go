package project

import (
	"fmt"
	"path/filepath"

	"github.com/pelletier/go-toml/v2/unstable"

	"lodge/internal/project/syntax"
)

// readEnv reads a table of variables. key is its full name.
func readEnv(t *syntax.Tree, it *syntax.Item, key string) ([]entry, error) {
	v := it.Value
	if v.Table == nil {
		return nil, t.WrongType(v, key, "a table", `write env = { NAME = "value" }`)
	}
	var out []entry
	for _, name := range v.Table.Keys {
		sub := v.Table.Items[name]
		if problem := envProblem(name); problem != "" {
			return nil, t.Fail(sub.Offset, key, problem, "")
		}
		hint := ""
		switch sub.Value.Kind {
		case unstable.Integer, unstable.Bool, unstable.Float:
			hint = fmt.Sprintf("write %s = %q", name, sub.Value.Text)
		}
		text, err := t.Typed(sub.Value, key+"."+name, unstable.String, "a string", hint)
		if err != nil {
			return nil, err
		}
		out = append(out, entry{name, text, key + "." + name, sub.Value.Offset})
	}
	return out, nil
}

// readEnvFiles reads the path of a file, or an array of paths, or of tables as
// compose has them: { path = "…", required = false }. key is the full name.
func readEnvFiles(t *syntax.Tree, dir string, it *syntax.Item, key string) ([]envFile, error) {
	v := it.Value
	if v.Kind != unstable.Array || v.Tables {
		f, err := readEnvFile(t, dir, v, key)
		return []envFile{f}, err
	}
	var out []envFile
	for i, elem := range v.Elems {
		f, err := readEnvFile(t, dir, elem, fmt.Sprintf("%s[%d]", key, i))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func readEnvFile(t *syntax.Tree, dir string, v *syntax.Value, key string) (envFile, error) {
	f := envFile{key: key, offset: v.Offset, required: true}
	if v.Table != nil {
		for _, name := range v.Table.Keys {
			sub := v.Table.Items[name]
			switch name {
			case "path":
				inner, err := readEnvFile(t, dir, sub.Value, key+".path")
				if err != nil {
					return envFile{}, err
				}
				f.path, f.offset = inner.path, inner.offset
			case "required":
				text, err := t.Typed(sub.Value, key+".required", unstable.Bool, "true or false", "")
				if err != nil {
					return envFile{}, err
				}
				f.required = text == "true"
			default:
				return envFile{}, t.Fail(sub.Offset, key, fmt.Sprintf("unknown key %s", syntax.Ellipsis(name)), "known here: path, required")
			}
		}
		if f.path == "" {
			return envFile{}, t.Fail(v.Offset, key, "path is missing", `write { path = ".env.local", required = false }`)
		}
		return f, nil
	}
	path, err := t.Typed(v, key, unstable.String, "the path of a file, or an array of them", "")
	switch {
	case err != nil:
		return envFile{}, err
	case path == "":
		return envFile{}, t.Fail(v.Offset, key, "the path is empty", "write env_file = [] for none")
	case !filepath.IsAbs(path):
		path = filepath.Join(dir, path)
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
			return fmt.Sprintf("%s is not a variable's name: it begins with a digit", syntax.Ellipsis(name))
		default:
			return fmt.Sprintf("%s is not a variable's name: %q is not one of A-Z, a-z, 0-9 and _", syntax.Ellipsis(name), r)
		}
	}
	return ""
}
