package cli

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"lodge/internal/cli/clitest"
	"lodge/internal/cli/kit"
)

const docsRoot = "../.."

// documentedTree returns the command tree, with the directories of an ordinary
// user, so that defaults that help shows are the same everywhere.
func documentedTree() *cobra.Command {
	env := Env{Environ: []string{"HOME=/home/me", "XDG_RUNTIME_DIR=/run/user/1000", "XDG_STATE_HOME=/home/me/.local/state"}}
	root := fullTree(kit.New(env, io.Discard))
	return root
}

// TestCommandsDocument compares docs/reference/commands.md with the help of
// each command.
func TestCommandsDocument(t *testing.T) {
	root := documentedTree()
	var b strings.Builder
	b.WriteString("# Commands\n\nWhat `lodge COMMAND --help` prints, for each command.\n" +
		"\n<!-- Made from the command tree: go test ./internal/cli -run TestCommandsDocument -update -->\n\n" +
		"[json.md](json.md) has the fields of `--json`, [exit-statuses.md](exit-statuses.md) what each status means,\n" +
		"[signals.md](signals.md) what Ctrl-C and other signals do.\n")
	for _, g := range append(root.Groups(), &cobra.Group{Title: "Others:"}) {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range root.Commands() {
			if c.Hidden || c.GroupID != g.ID {
				continue
			}
			fmt.Fprintf(&b, "\n### lodge %s\n\n```text\n%s```\n", c.Name(), helpOf(t, c))
			for _, sub := range c.Commands() {
				if g.ID != "" && !sub.Hidden {
					fmt.Fprintf(&b, "\n### lodge %s %s\n\n```text\n%s```\n", c.Name(), sub.Name(), helpOf(t, sub))
				}
			}
		}
	}
	path := filepath.Join(docsRoot, "docs/reference/commands.md")
	if clitest.Update() {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("%s is not what help prints (go test ./internal/cli -run %s -update writes it anew); line %d differs", path, t.Name(), firstDifference(got, string(want)))
	}
}

func firstDifference(a, b string) int {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return i + 1
		}
	}
	return min(len(x), len(y)) + 1
}

func helpOf(t *testing.T, c *cobra.Command) string {
	t.Helper()
	var b bytes.Buffer
	c.SetOut(&b)
	if err := c.Help(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDocumentsNameRealCommands checks each inline code span of the documents
// that begins with "lodge ": the command exists, and has the flags.
func TestDocumentsNameRealCommands(t *testing.T) {
	paths := []string{filepath.Join(docsRoot, "README.md"), filepath.Join(docsRoot, "CONTRIBUTING.md"), filepath.Join(docsRoot, "bench/README.md")}
	err := filepath.WalkDir(filepath.Join(docsRoot, "docs"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	root := documentedTree()
	checked := 0
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range codeSpans(string(text)) {
			if !strings.HasPrefix(s.text, "lodge ") {
				continue
			}
			checked++
			if err := checkSpan(root, s.text); err != nil {
				t.Errorf("%s:%d: `%s`: %v", strings.TrimPrefix(p, docsRoot+"/"), s.line, s.text, err)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d code spans were found", checked)
	}
}

func TestCheckSpan(t *testing.T) {
	t.Parallel()
	root := documentedTree()
	for _, c := range []struct{ span, want string }{
		{"lodge ls", ""},
		{"lodge COMMAND --anything", ""},
		{"lodge up [-d] [SERVICE…]", ""},
		{"lodge run -- npm run dev --port 3", ""},
		{"lodge exec --as api -- CMD", ""},
		{"lodge exec psql --nothing", ""},
		{"lodge top --once | --json", ""},
		{"lodge logs | grep --bogus", ""},
		{"lodge ports -tl", ""},
		{"lodge logs -n20", ""},
		{"lodge completion bash", ""},
		{"lodge tap diff A B --again FILE", ""},
		{"lodge tap diff A B --stat", "no flag --stat"},
		{"lodge tap --again FILE", "no flag --again"},
		{"lodge lss", `no command "lss"`},
		{"lodge up --bogus", "no flag --bogus"},
		{"lodge up [--bogus]", "no flag --bogus"},
		{"lodge ports -tQ", "no flag -Q"},
		{"lodge exec --bogus -- ls", "no flag --bogus"},
		{"lodge top --once | --bogus", "no flag --bogus"},
	} {
		got := ""
		if err := checkSpan(root, c.span); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.span, got, c.want)
		}
	}
	spans := codeSpans("a `lodge\nls` b\n```sh\n`lodge no`\n```\n\n    `lodge no`\n\n- `x` and\n  `lodge up`\n")
	want := []codeSpan{{1, "lodge ls"}, {9, "x"}, {10, "lodge up"}}
	if !slices.Equal(spans, want) {
		t.Errorf("spans %v, want %v", spans, want)
	}
}

type codeSpan struct {
	line int // where it begins
	text string
}

var codeSpanPattern = regexp.MustCompile("`[^`]+`")

// codeSpans finds the inline code of a Markdown text. A span may go over the
// end of a line.
func codeSpans(text string) []codeSpan {
	var spans []codeSpan
	var paragraph strings.Builder
	begin, fenced := 1, false
	flush := func(next int) {
		s := paragraph.String()
		for _, at := range codeSpanPattern.FindAllStringIndex(s, -1) {
			spans = append(spans, codeSpan{begin + strings.Count(s[:at[0]], "\n"), strings.Join(strings.Fields(s[at[0]+1:at[1]-1]), " ")})
		}
		paragraph.Reset()
		begin = next
	}
	for i, line := range strings.Split(text, "\n") {
		fence := strings.HasPrefix(line, "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced || line == "" || strings.HasPrefix(line, "    ") && paragraph.Len() == 0 {
			flush(i + 2)
			continue
		}
		paragraph.WriteString(line + "\n")
	}
	flush(0)
	return spans
}

var placeholder = regexp.MustCompile(`^[A-Z][A-Z0-9_/:-]*$`)

// checkSpan checks a command line: words in capitals and "…" are placeholders.
func checkSpan(root *cobra.Command, span string) error {
	words := strings.Fields(strings.NewReplacer("[", "", "]", "", "…", " ", "...", " ", "'", "", `"`, "").Replace(span))[1:]
	if len(words) == 0 {
		return nil
	}
	c := root
	if !strings.HasPrefix(words[0], "-") {
		if placeholder.MatchString(words[0]) || words[0] == "help" {
			return nil
		}
		name := words[0]
		c = find(root, name)
		if c == nil {
			return fmt.Errorf("no command %q", name)
		}
		words = words[1:]
		if len(words) > 0 {
			if sub := find(c, words[0]); sub != nil {
				c, words = sub, words[1:]
			}
		}
	}
	c.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	program := strings.Contains(c.Use, "CMD") // what follows its first argument is not lodge's
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--", w == "|" && (i+1 == len(words) || !strings.HasPrefix(words[i+1], "-")):
			return nil
		case w == "|", w == "-":
		case strings.HasPrefix(w, "--"):
			name, _, inline := strings.Cut(w[2:], "=")
			f := c.Flags().Lookup(name)
			if f == nil {
				return fmt.Errorf("no flag --%s", name)
			}
			if !inline && f.NoOptDefVal == "" {
				i++
			}
		case strings.HasPrefix(w, "-"):
			for j, r := range w[1:] {
				f := c.Flags().ShorthandLookup(string(r))
				if f == nil {
					return fmt.Errorf("no flag -%c", r)
				}
				if f.NoOptDefVal == "" {
					if j+2 == len(w) {
						i++ // the next word is its value
					}
					break
				}
			}
		case program:
			return nil
		}
	}
	return nil
}

func find(root *cobra.Command, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}
