package test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestJSONDocument compares docs/reference/json.md with what commands print: each
// field must be in the section of its command.
func TestJSONDocument(t *testing.T) {
	need(t, "python3")
	need(t, "npm")
	t.Parallel()
	text, err := os.ReadFile("../docs/reference/json.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := documentedFields(string(text))
	e := newEnv(t, seccomp)
	e.mkdir(e.base + "/home")
	dir := e.docShop()
	for _, c := range []struct {
		line     string
		sections []string
	}{
		{"ls --json", []string{"ls, up, restart, wait"}},
		{"up --json", []string{"ls, up, restart, wait"}},
		{"restart --json web", []string{"ls, up, restart, wait"}},
		{"wait --json", []string{"ls, up, restart, wait"}},
		{"logs --json", []string{"logs"}},
		{"open --json web", []string{"open"}},
		{"ports --json shop", []string{"ports"}},
		{"explain --json shop/web", []string{"explain", "ports"}},
		{"explain --json 3000", []string{"explain", "ports"}},
		{"events --json --since 0 --follow=false", []string{"events"}},
		{"tap -r run.pcapng --json", []string{"tap"}},
		{"tap -r run.pcapng --stat --json", []string{"tap"}},
		{"tap diff run.pcapng run.pcapng --json", []string{"tap diff", "tap"}},
		{"probe --json shop/web", []string{"probe"}},
		{"probe --json -n 5 shop/web", []string{"probe"}},
		{"top --json", []string{"top"}},
		{"doctor --json", []string{"doctor, trust, version"}},
		{"version --json", []string{"doctor, trust, version"}},
	} {
		stdout := e.lodge(dir, strings.Fields(c.line)...).ok(t)
		for _, name := range fieldNames(t, c.line, stdout) {
			if !slices.ContainsFunc(c.sections, func(s string) bool { return sections[s][name] }) {
				t.Errorf("lodge %s prints the field %s, which docs/reference/json.md does not have below %q", c.line, name, c.sections[0])
			}
		}
	}
}

var fieldWord = regexp.MustCompile(`[a-z][a-z0-9_]*`)

// documentedFields returns the words in code of each section.
func documentedFields(text string) map[string]map[string]bool {
	sections := map[string]map[string]bool{}
	for _, s := range strings.Split(text, "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		words := map[string]bool{}
		for i, code := range strings.Split(body, "`") {
			if i%2 == 0 {
				continue
			}
			for _, w := range fieldWord.FindAllString(code, -1) {
				words[w] = true
			}
		}
		sections[title] = words
	}
	return sections
}

// fieldNames returns the names of all fields of one or more JSON values, but not
// those of objects whose fields are data (process ids, statuses) and those of
// objects in which a protocol's own words stand.
func fieldNames(t *testing.T, line, text string) []string {
	t.Helper()
	var names []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for name, x := range v {
				if name[0] >= '0' && name[0] <= '9' {
					walk(x)
					continue
				}
				names = append(names, name)
				if name != "http" && name != "tls" && name != "tcp_info" {
					walk(x)
				}
			}
		}
	}
	dec := json.NewDecoder(strings.NewReader(text))
	for dec.More() {
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("lodge %s: %v\n%s", line, err, text)
		}
		walk(v)
	}
	if len(names) == 0 {
		t.Errorf("lodge %s printed no field", line)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
