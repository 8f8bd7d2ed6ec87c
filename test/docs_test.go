package test

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docCommand is a command line, or a script of several, that a document shows.
type docCommand struct {
	line int // where it begins
	text string
	// output is what the document shows below it, up to the next command.
	output []string
	// dir is the directory that stands before the prompt, or "".
	dir string
	// endless marks a command that goes on until Ctrl-C, background one that goes
	// on beside those below it.
	endless, background bool
	// notRun is why it is not run, or "".
	notRun string
}

// document is a Markdown file and its command lines. It is written so:
//   - A fenced block of the language sh is a script that is run as it stands.
//   - In other blocks, fenced or indented, a line that begins with "$ " is a
//     command, and the lines up to the next one are its output. A directory may
//     stand before the "$".
//   - A comment `<!-- not run: REASON -->` before a block leaves its commands out,
//     `<!-- until Ctrl-C -->` ends each after its first output, and
//     `<!-- in the background -->` lets the first of each directory go on.
//   - `<!-- session: root -->` runs the document as root with names on ports 80
//     and 443, in a network namespace of its own; `<!-- session: empty -->` without
//     the project shop, which is up in all others.
//
// All commands of a document are run by one shell, in its order.
type document struct {
	path     string
	root     bool
	empty    bool
	commands []docCommand
}

var (
	docDirective = regexp.MustCompile(`^<!-- (not run|session|until Ctrl-C|in the background)(?:: (.*?))? -->$`)
	docPrompt    = regexp.MustCompile(`^(?:(~/[\w/.-]+) +)?\$ (.*)$`)
)

// parseDocument finds the command lines of a document.
func parseDocument(path, text string) (document, error) {
	d := document{path: path}
	var notRun string
	var endless, background, script, fenced, inBlock bool
	cur := -1
	for i, line := range strings.Split(text, "\n") {
		if m := docDirective.FindStringSubmatch(line); m != nil && !fenced {
			switch m[1] {
			case "not run":
				if m[2] == "" {
					return d, fmt.Errorf("%s:%d: a block is not run, and no reason is given", path, i+1)
				}
				notRun = m[2]
			case "until Ctrl-C":
				endless = true
			case "in the background":
				background = true
			case "session":
				d.root, d.empty = m[2] == "root", m[2] == "empty"
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "```"); ok {
			fenced = !fenced
			if script = fenced && rest == "sh"; script {
				d.commands = append(d.commands, docCommand{line: i + 2, notRun: notRun, endless: endless, background: background})
			}
			if !fenced {
				notRun, endless, background = "", false, false
			}
			cur = -1
			continue
		}
		if script {
			c := &d.commands[len(d.commands)-1]
			c.text += line + "\n"
			continue
		}
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case fenced:
			code = line
		case !indented:
			if line != "" && inBlock {
				inBlock, notRun, endless, background = false, "", false, false
			}
			cur = -1
			continue
		default:
			inBlock = true
		}
		if m := docPrompt.FindStringSubmatch(code); m != nil {
			c := docCommand{line: i + 1, dir: m[1], text: m[2], notRun: notRun, endless: endless}
			if background && c.dir != "" {
				c.background = !slices.ContainsFunc(d.commands, func(o docCommand) bool { return o.background && o.dir == c.dir })
			}
			d.commands = append(d.commands, c)
			cur = len(d.commands) - 1
		} else if cur >= 0 {
			d.commands[cur].output = append(d.commands[cur].output, code)
		}
	}
	return d, nil
}

// fails reports whether the document shows an error of the command.
func (c docCommand) fails() bool {
	return slices.ContainsFunc(c.output, func(l string) bool { return strings.HasPrefix(l, "lodge: ") && strings.Contains(l, "(hint: ") })
}

// documents reads README.md, CONTRIBUTING.md and all below docs.
func documents(t *testing.T) []document {
	t.Helper()
	paths := []string{"../README.md", "../CONTRIBUTING.md"}
	err := filepath.WalkDir("../docs", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []document
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseDocument(strings.TrimPrefix(p, "../"), string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		all = append(all, d)
	}
	return all
}

// docShell is what the shell of a document runs before its commands. `at` tells
// on descriptor 3 which command begins and how one ended.
const docShell = `
exec 3>"$DOC_REPORT"
at() { printf '%s\n' "$*" >&3; }
started=
begun() { # COMMAND: start it and wait for its first output
	local fifo=$HOME/.fifo$RANDOM first=
	mkfifo "$fifo"
	setsid bash -c "$1" >"$fifo" 2>&1 3>&- </dev/null &
	last=$!
	exec 4<"$fifo"
	rm "$fifo"
	IFS= read -r -u 4 first || true
	printf '%s\n' "$first"
	[ -n "$first" ]
}
endless() { # COMMAND: start it, and send SIGINT after its first output
	begun "exec $1" || return 99
	kill -INT "$last"
	cat <&4
	exec 4<&-
	wait "$last"
	local status=$?
	[ $status = 130 ] && return 0
	return $status
}
background() { # COMMAND: start it, and let it go on to the end of the document
	begun "exec $1" || return 99
	started="$started $last"
	cat <&4 >/dev/null &
	exec 4<&-
}
`

// script makes the shell script of the document's commands.
func (d document) script() string {
	var b strings.Builder
	b.WriteString(docShell)
	for i, c := range d.commands {
		if c.notRun != "" {
			continue
		}
		fmt.Fprintf(&b, "at begin %d\necho '@@ %s:%d'\n", i, d.path, c.line)
		if c.dir != "" {
			fmt.Fprintf(&b, "mkdir -p %[1]s; cd %[1]s\n", c.dir)
		}
		switch {
		case c.endless:
			fmt.Fprintf(&b, "endless %s\n", quoteShell(c.text))
		case c.background:
			fmt.Fprintf(&b, "background %s\n", quoteShell(c.text))
		case strings.Contains(c.text, "\n"):
			// A script ends at its first error, and its directory is kept.
			fmt.Fprintf(&b, "set -e\ntrap 'at end %d $?' EXIT\n%strap - EXIT\nset +e\n", i, c.text)
		default:
			fmt.Fprintf(&b, "%s\n", c.text)
		}
		fmt.Fprintf(&b, "at end %d $?\n", i)
	}
	b.WriteString("for pid in $started; do kill -INT $pid; done\nwait\n")
	return b.String()
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// run runs the document's commands and returns the output of all, and how each
// ended, by its index.
func (d document) run(t *testing.T, e *env, dir string) (string, map[int]int) {
	t.Helper()
	report, script := filepath.Join(e.base, "report"), filepath.Join(e.base, "script")
	for path, text := range map[string]string{report: "", script: d.script()} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		e.own(path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*commandLimit)
	defer cancel()
	cmd := e.command(ctx, dir, "bash", script)
	cmd.Env = append(slices.Clone(e.environ), "HOME="+filepath.Join(e.base, "home"), "DOC_REPORT="+report,
		"PATH="+e.base+":"+testPath, "LANG=C.UTF-8", "BROWSER=true")
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		t.Errorf("%s: %v", d.path, err)
	}
	ended := make(map[int]int)
	f, err := os.Open(report)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if w := strings.Fields(s.Text()); len(w) == 3 && w[0] == "end" {
			i, _ := strconv.Atoi(w[1])
			ended[i], _ = strconv.Atoi(w[2])
		}
	}
	return string(out), ended
}

// TestDocuments runs every command line that a document shows.
func TestDocuments(t *testing.T) {
	need(t, "bash")
	need(t, "curl")
	need(t, "python3")
	need(t, "npm")
	t.Parallel()
	ran, left := 0, 0
	all := documents(t)
	for _, d := range all {
		n := 0
		for _, c := range d.commands {
			if c.notRun == "" {
				n++
			} else {
				left++
				t.Logf("not run: %s:%d: %s", d.path, c.line, c.notRun)
			}
		}
		ran += n
		if n == 0 {
			continue
		}
		t.Run(d.path, func(t *testing.T) {
			t.Parallel()
			engine := seccomp
			if d.root {
				engine = ebpf
			}
			e := newEnv(t, engine)
			if d.root {
				e.quiet()
			}
			e.mkdir(filepath.Join(e.base, "home"))
			dir := filepath.Join(e.base, "home")
			if !d.empty {
				dir = e.docShop()
			}
			out, ended := d.run(t, e, dir)
			for i, c := range d.commands {
				if c.notRun != "" {
					continue
				}
				status, done := ended[i]
				if !done || (status != 0) != c.fails() {
					t.Errorf("%s:%d: %q: status %d (ended: %t)\n%s", d.path, c.line, c.text, status, done, out)
					break
				}
			}
		})
	}
	t.Logf("%d command lines, %d not run", ran, left)
}

// docShop makes the project that documents speak of, and starts it.
func (e *env) docShop() string {
	e.t.Helper()
	dir := filepath.Join(e.base, "home", "shop")
	if out, err := exec.Command("cp", "-r", "testdata/docs/shop", dir).CombinedOutput(); err != nil {
		e.t.Fatalf("copy shop: %v\n%s", err, out)
	}
	e.ownTree(dir)
	e.lodge(dir, "up", "-d").ok(e.t)
	return dir
}

func TestParseDocument(t *testing.T) {
	t.Parallel()
	d, err := parseDocument("x.md", "<!-- session: root -->\ntext\n\n    ~/a $ lodge ls\n    NAME\n    $ lodge up   # all\n\n"+
		"<!-- not run: it needs a browser -->\n\n    $ lodge trust\n\nmore\n\n    $ lodge probe 1\n    lodge: probe 1: refused (hint: x)\n\n"+
		"<!-- until Ctrl-C -->\n```sh\nlodge top\n```\n\n```sh\ncd x\nls\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []docCommand{
		{line: 4, dir: "~/a", text: "lodge ls", output: []string{"NAME"}},
		{line: 6, text: "lodge up   # all"},
		{line: 10, text: "lodge trust", notRun: "it needs a browser"},
		{line: 14, text: "lodge probe 1", output: []string{"lodge: probe 1: refused (hint: x)"}},
		{line: 19, text: "lodge top\n", endless: true},
		{line: 23, text: "cd x\nls\n"},
	}
	if !d.root || len(d.commands) != len(want) {
		t.Fatalf("parsed %+v", d)
	}
	for i, w := range want {
		g := d.commands[i]
		if g.line != w.line || g.text != w.text || !slices.Equal(g.output, w.output) || g.endless != w.endless || g.dir != w.dir || g.notRun != w.notRun {
			t.Errorf("command %d is %+v, want %+v", i, g, w)
		}
	}
	if !d.commands[3].fails() || d.commands[0].fails() {
		t.Error("which command fails was not read from its output")
	}
	if _, err := parseDocument("x.md", "<!-- not run -->"); err == nil {
		t.Error("a block without a reason was left out")
	}
}
