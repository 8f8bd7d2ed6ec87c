package explain

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/explain/rule"
)

var update = flag.Bool("update", false, "write testdata/sentences.golden anew")

// TestSentences holds what people are told of each cause, in one golden file, and
// that every rule of the list finds its cause in some situation.
func TestSentences(t *testing.T) {
	all := situations(t)
	found := make(map[string]bool)
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&out, "== %s\n", name)
		for _, x := range rule.Run(Causes(), all[name]) {
			found[x.Title] = true
			sure := ""
			if !x.Sure {
				sure = ", not sure"
			}
			fmt.Fprintf(&out, "%s (%s%s): %s\n  %s\n", x.Code, x.Operation, sure, x.Title, x.Summary)
			for _, e := range x.Evidence {
				fmt.Fprintf(&out, "  - %s: %s\n", e.Kind, e.Text)
			}
			fmt.Fprintf(&out, "  hint: %s\n", x.Hint)
		}
	}
	for _, g := range Causes() {
		for _, r := range g.Rules {
			if !found[r.Title] {
				t.Errorf("%s (%s): no situation of this test has it", r.Code, r.Title)
			}
		}
	}
	file := filepath.Join("testdata", "sentences.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		got, old := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
		for i := range max(len(got), len(old)) {
			if i >= len(got) || i >= len(old) || got[i] != old[i] {
				t.Errorf("%s differs from line %d on (go test ./internal/explain -run TestSentences -update accepts it):\n%s", file, i+1, strings.Join(got[i:min(i+6, len(got))], "\n"))
				break
			}
		}
	}
}

// TestDocumentNamesEveryCause holds that docs/reference/explain.md has each code.
func TestDocumentNamesEveryCause(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "explain.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range Causes() {
		for _, r := range g.Rules {
			if r.Code == "" || r.Title == "" || r.Check == nil {
				t.Errorf("%+v lacks a code, a title or a check", r)
			}
			if !strings.Contains(string(b), fmt.Sprintf("\n| `%s` |", r.Code)) {
				t.Errorf("docs/reference/explain.md does not have %s", r.Code)
			}
		}
	}
}
