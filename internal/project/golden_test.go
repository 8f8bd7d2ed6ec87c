package project

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/project/dotenv"
	"lodge/internal/project/syntax"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// checkGolden compares what was read, or the error line, with the file beside
// the input.
func checkGolden(t *testing.T, input string, p *Project, err error) {
	t.Helper()
	var got string
	if err != nil {
		got = err.Error() + "\n"
		if strings.Count(got, "\n") != 1 {
			t.Errorf("error is not one line: %q", got)
		}
	} else {
		data, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = string(data) + "\n"
	}
	golden := input + ".golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", input, got, want)
	}
}

func inputs(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no inputs match %s: %v", pattern, err)
	}
	return files
}

func TestTOMLGolden(t *testing.T) {
	for _, file := range inputs(t, "testdata/toml/*.toml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := parseTOML("/srv/shop/lodge.toml", data)
			checkGolden(t, file, p, err)
			// A file name says what must come of it.
			if ok := strings.HasPrefix(filepath.Base(file), "ok-"); ok != (err == nil) {
				t.Errorf("accepted: %v, by its name it should be %v (%v)", err == nil, ok, err)
			}
		})
	}
}

func TestProcfileGolden(t *testing.T) {
	for _, file := range inputs(t, "testdata/procfile/*.procfile") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := parseProcfile("/srv/shop/Procfile", data, nil)
			checkGolden(t, file, p, err)
			if ok := strings.HasPrefix(filepath.Base(file), "ok-"); ok != (err == nil) {
				t.Errorf("accepted: %v, by its name it should be %v (%v)", err == nil, ok, err)
			}
		})
	}
}

func TestDotenvGolden(t *testing.T) {
	for _, file := range inputs(t, "testdata/procfile/*.env") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env, err := dotenv.Parse(syntax.NewSource("/srv/shop/.env", data), nil)
			var p *Project
			if err == nil {
				p, err = parseProcfile("/srv/shop/Procfile", []byte("web: run\n"), env)
			}
			checkGolden(t, file, p, err)
		})
	}
}
