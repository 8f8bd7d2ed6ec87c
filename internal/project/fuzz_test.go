package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"lodge/internal/project/dotenv"
	"lodge/internal/project/syntax"
)

// checkParsed holds what is true of every input: one error of one line, at a
// position that the file has, or a project that keeps the rules.
func checkParsed(t *testing.T, data []byte, p *Project, err error) {
	t.Helper()
	if err != nil {
		var e *syntax.Error
		if !errors.As(err, &e) {
			t.Fatalf("not an *Error: %v", err)
		}
		lines := bytes.Split(data, []byte("\n"))
		if e.Line < 1 || e.Line > len(lines) {
			t.Fatalf("line %d of %d: %v", e.Line, len(lines), err)
		}
		if n := utf8.RuneCount(lines[e.Line-1]) + 1; e.Column < 1 || e.Column > n {
			t.Fatalf("column %d of %d: %v", e.Column, n, err)
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\r\x00\x1b") || e.Message == "" {
			t.Fatalf("not one plain line: %q", text)
		}
		return
	}
	if len(p.Services) == 0 {
		t.Fatal("no services and no error")
	}
	seen := map[string]bool{}
	for _, s := range p.Services {
		if labelProblem(s.Name) != "" || seen[s.Name] {
			t.Fatalf("service name %q", s.Name)
		}
		seen[s.Name] = true
		if argv, _ := s.Argv(); argv[0] == "" || strings.Contains(strings.Join(argv, ""), "\x00") {
			t.Fatalf("argv %q", argv)
		}
		if !filepath.IsAbs(s.Dir) || len(s.Environ()) != len(s.Env) || s.Signal() == nil {
			t.Fatalf("service %+v", s)
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again Project
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(text, second) {
		t.Fatalf("JSON changes: %s, then %s (%v)", text, second, err)
	}
}

func addFiles(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds match %s: %v", pattern, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzParseTOML(f *testing.F) {
	addFiles(f, "testdata/toml/*.toml")
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseTOML("/srv/shop/lodge.toml", data)
		checkParsed(t, data, p, err)
	})
}

// FuzzTree compares the rules of this package for what may be defined where
// with those of the library's decoder.
func FuzzTree(f *testing.F) {
	addFiles(f, "testdata/toml/*.toml")
	for _, s := range []string{
		"[a]\n[a]", "[a.b]\n[a]", "a.b=1\n[a]", "a.b=1\n[a.c]", "[a.b.c]\nz=9\n[a]\nb.c.t=1", "a={}\n[a.b]", "a={b=1}\na.c=2",
		"[[a]]\n[[a]]\n[a.b]\n[[a.b.c]]", "a=[]\n[[a]]", "[a]\n[[a]]", "[[a]]\n[a]", "a=[{}]\n[[a]]", "a=1\na.b=2", "a.b=1\na.c=2", "[a]\nb.c=1\n[a.b.d]\n[a.b]",
		"[a.b]\nx.y=1\n[a]\nb.x.z=2", "[[a.b]]\n[a]", "[[a.b]]\n[a]\nb.y=1", "a={b.c=1,b.d=2}", "a={b={},b.c=1}", "\"\"=1\n[\"\".a]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := syntax.NewSource("lodge.toml", data)
		if src.CheckText() != nil {
			return
		}
		_, err := syntax.ParseTree(src)
		var into map[string]any
		libErr := toml.Unmarshal(data, &into)
		if libErr == nil && err != nil {
			t.Fatalf("the library accepts it: %v", err)
		}
		if libErr != nil && err == nil {
			// Numbers and dates are only looked at where one is wanted.
			for _, about := range []string{"number", "integer", "float", "date", "time", "day", "month", "overflow", "out of range", "digit", "underscore", "64-bit", "invalid"} {
				if strings.Contains(strings.ToLower(libErr.Error()), about) {
					return
				}
			}
			t.Fatalf("the library refuses it: %v", libErr)
		}
	})
}

func FuzzParseProcfile(f *testing.F) {
	addFiles(f, "testdata/procfile/*.procfile")
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseProcfile("/srv/shop/Procfile", data, nil)
		checkParsed(t, data, p, err)
	})
}

func FuzzParseDotenv(f *testing.F) {
	addFiles(f, "testdata/procfile/*.env")
	f.Fuzz(func(t *testing.T, data []byte) {
		env, err := dotenv.Parse(syntax.NewSource("/srv/shop/.env", data), nil)
		if err != nil {
			checkParsed(t, data, nil, err)
			return
		}
		for _, v := range env {
			if v.Name == "" || strings.ContainsAny(v.Name, "=\x00 ") || strings.Contains(v.Value, "\x00") {
				t.Fatalf("variable %q", v)
			}
		}
	})
}
