package lodge

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// documentFiles returns the paths of the documents.
func documentFiles(t *testing.T) []string {
	t.Helper()
	paths := []string{"README.md", "CONTRIBUTING.md", "bench/README.md"}
	err := filepath.WalkDir("docs", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

var (
	docLink    = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	docInText  = regexp.MustCompile(`\bdocs/[a-z/-]+[a-z.-]*\.md\b`)
	notInTitle = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinksOfDocuments holds: a link of a document leads to a file that is there,
// and to a heading of it; so does the path of a document in the code.
func TestLinksOfDocuments(t *testing.T) {
	links := 0
	for _, path := range documentFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range docLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			target := path
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(path), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link %s: %v", path, m[1], err)
				continue
			}
			if m[2] != "" && !headings(t, target)[m[2][1:]] {
				t.Errorf("%s: link %s%s: there is no such heading", path, m[1], m[2])
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
	for _, root := range []string{"internal", "cmd", "test", "house_test.go", "doc.go", "README.md", "CONTRIBUTING.md", "docs"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".md") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, name := range docInText.FindAllString(string(text), -1) {
				if _, err := os.Stat(name); err != nil {
					t.Errorf("%s names %s, which is not there", path, name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// headings returns the anchors of a document's headings, as GitHub makes them.
func headings(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		title := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		found[strings.ReplaceAll(notInTitle.ReplaceAllString(title, ""), " ", "-")] = true
	}
	return found
}

// TestLinesOfDocumentsAreWrapped holds: no line of prose is longer than 125
// columns. Tables, code and lines that consist of one link cannot be wrapped.
func TestLinesOfDocumentsAreWrapped(t *testing.T) {
	for _, path := range documentFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fenced := false
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if fenced || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    ") || len(strings.Fields(line)) == 1 {
				continue
			}
			if n := utf8.RuneCountInString(line); n > 125 {
				t.Errorf("%s:%d has %d columns", path, i+1, n)
			}
		}
	}
}
