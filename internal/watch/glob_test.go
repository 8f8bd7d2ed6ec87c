package watch

import (
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		isDir, want   bool
	}{
		{"*.py", "a.py", false, true},
		{"*.py", "x/y/a.py", false, true},
		{"*.py", "a.pyc", false, false},
		{"/*.py", "x/a.py", false, false},
		{"src/*.py", "src/a.py", false, true},
		{"src/*.py", "src/x/a.py", false, false},
		{"src/**/*.py", "src/a.py", false, true},
		{"src/**/*.py", "src/x/y/a.py", false, true},
		{"**/foo", "foo", false, true},
		{"**/foo", "a/b/foo", false, true},
		{"foo/**", "foo", true, false},
		{"foo/**", "foo/a/b", false, true},
		{"a/**/b", "a/b", false, true},
		{"a/**/b", "a/xb", false, false},
		{"foo/", "foo", false, false},
		{"foo/", "x/foo", true, true},
		{"a**b", "axb", false, true},
		{"/a**/b", "ax/y/b", false, true},
		{"/?**/b", "ax/y/b", false, false},
		{"/a**b", "a/b", false, false},
		{"[a-c]x", "bx", false, true},
		{"[!a-c]x", "bx", false, false},
		{"[^a-c]x", "dx", false, true},
		{"[]]", "]", false, true},
		{"[]-]", "-", false, true},
		{"[[:digit:][:upper:]]", "7", false, true},
		{"[[:digit:][:upper:]]", "q", false, false},
		{`\*`, "*", false, true},
		{`\*`, "x", false, false},
		{"a[/]b", "a/b", false, false},
		{"x[a/b]", "xa", false, true},
		{"", "", false, false},
	} {
		g, ok := parseGlob(c.pattern)
		if got := ok && g.match(c.path, c.isDir); got != c.want {
			t.Errorf("%q on %q (directory %v): %v, want %v", c.pattern, c.path, c.isDir, got, c.want)
		}
	}
	for _, bad := range []string{"", "!", "/", "[a", `a\`, "[[:nope:]]", "[a-"} {
		if _, ok := parseGlob(bad); ok {
			t.Errorf("%q was taken for a pattern", bad)
		}
	}
}

// TestGlobIsBounded would not end with a matcher that tries every way.
func TestGlobIsBounded(t *testing.T) {
	g, ok := parseGlob(strings.Repeat("**/*a*", 30) + "/b")
	if !ok || g.match(strings.Repeat("aaaa/", 400)+"c", false) {
		t.Fatal("matched")
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a/**/[!b-d]*?", "a/x/y")
	f.Add("!**/", "x")
	f.Fuzz(func(_ *testing.T, pattern, path string) {
		if g, ok := parseGlob(pattern); ok {
			g.match(path, true)
			g.reaches(path)
		}
		parseRules("", []byte(pattern))
	})
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		patterns string
		path     string
		want     bool
	}{
		{"", "any/thing", true},
		{"!*.log", "a.log", false},
		{"!*.log", "a.txt", true},
		{"*.py", "x/a.py", true},
		{"*.py", "x/a.js", false},
		{"*.py !test_*.py", "x/test_a.py", false},
		{"src/", "src/a/b", true},
		{"src/ !src/gen/", "src/gen/b", false},
		{"src/ !src/gen/", "src/genb", true},
		{"./src/*.go", "src/a.go", true},
		{"static/**", "static/css/a.css", true},
		{".env", ".env", true},
	} {
		ps, err := parsePatterns(strings.Fields(c.patterns))
		if err != nil {
			t.Fatal(err)
		}
		if got := ps.wants(c.path); got != c.want {
			t.Errorf("%q on %q: %v", c.patterns, c.path, got)
		}
	}
	for _, bad := range []string{"", "!", "../x", "a/../../x", "[a", ".."} {
		if _, err := parsePatterns([]string{bad}); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestMayWant(t *testing.T) {
	for _, c := range []struct {
		patterns, dir string
		want          bool
	}{
		{"*.py", "anything", true},
		{"/src/*.py", "src", true},
		{"/src/*.py", "lib", false},
		{"a/b/**/*.py", "a", true},
		{"a/b/**/*.py", "a/c", false},
		{"a/b/**/*.py", "a/b/c/d", true},
		{"a/b*/x", "a/bcd", true},
		{"conf/app.toml", "conf", true},
		{"conf/app.toml", "confx", false},
		{"!vendor/", "src", true},
	} {
		ps, err := parsePatterns(strings.Fields(c.patterns))
		if err != nil {
			t.Fatal(err)
		}
		if got := ps.mayWant(c.dir); got != c.want {
			t.Errorf("%q may want something below %q: %v", c.patterns, c.dir, got)
		}
	}
}
