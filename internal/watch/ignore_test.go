package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func git(t *testing.T, dir string, stdin string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "XDG_CONFIG_HOME=" + dir,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost"}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 && args[0] == "check-ignore" {
			return string(out)
		} else if ok {
			t.Fatalf("git %v: %v: %s", args, err, exit.Stderr)
		}
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// allPaths lists what is below root but .git, directories with a slash.
func allPaths(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		if rel == ".git" {
			return filepath.SkipDir
		}
		if rel == "." {
			return nil
		}
		if d.IsDir() {
			rel += "/"
		}
		out = append(out, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compareWithGit asks git and the ignorer about everything below root.
func compareWithGit(t *testing.T, root, note string) {
	t.Helper()
	paths := allPaths(t, root)
	// A slash at the end would make git look inside a directory that is there,
	// so it is asked without.
	var ask strings.Builder
	for _, p := range paths {
		ask.WriteString(strings.TrimSuffix(p, "/") + "\x00")
	}
	said := strings.Split(git(t, root, ask.String(), "check-ignore", "--no-index", "--stdin", "-z"), "\x00")
	byGit := map[string]bool{}
	for _, p := range said {
		byGit[p] = true
	}
	g := newIgnorer(root)
	g.outer = slices.DeleteFunc(g.outer, func(r *ruleset) bool { // git does not know these
		return len(r.globs) > 0 && r.globs[0].source == ".hg"
	})
	for _, p := range append([]string{"./"}, paths...) {
		if strings.HasSuffix(p, "/") {
			g.load(path.Clean(p))
		}
	}
	for _, p := range paths {
		clean := strings.TrimSuffix(p, "/")
		got := false
		for i := 0; i <= len(clean) && !got; i++ {
			if i == len(clean) {
				got = g.ignores(clean, clean != p)
			} else if clean[i] == '/' {
				got = g.ignores(clean[:i], true)
			}
		}
		if got != byGit[clean] {
			t.Errorf("%s: %q: ignored %v, git says %v", note, p, got, byGit[clean])
		}
	}
}

func TestIgnoreAsGitDoes(t *testing.T) {
	root := t.TempDir()
	git(t, root, "", "init", "-q")
	write(t, filepath.Join(root, ".git/info/exclude"), "private/\n*.secret\n")
	write(t, filepath.Join(root, ".gitignore"), "\xef\xbb\xbf*.log\r\n!keep.log\n/build\nout/\n# comment\n\\#odd\n\\!odd\ntrail   \nkept\\ \n"+
		"docs/**/*.tmp\n**/cache\nlib/**\n!lib/a/\na/*/z\n[[:upper:]]*.x\nfoo[!0-9]\n*.py[co]\nq?\n\\*star\n/dir/*\n!/dir/keep\n**/deep/**/end\nno[pe\n")
	write(t, filepath.Join(root, "sub/.gitignore"), "!*.log\nlocal\n/only\nx/y\n")
	write(t, filepath.Join(root, "sub/deep/.gitignore"), "*\n!.gitignore\n!shown\n")
	for _, p := range []string{
		"a.log", "keep.log", "sub/b.log", "sub/keep.log", "build/x", "sub/build/x", "out/f", "sub/out", "#odd", "!odd", "trail", "kept ", "kept",
		"docs/a.tmp", "docs/x/y/b.tmp", "x/docs/c.tmp", "cache/f", "sub/cache", "lib/a/b", "lib/c", "a/b/z", "a/b/c/z", "A1.x", "a1.x", "foo1", "fooa",
		"m.pyc", "m.py", "qq", "q", "*star", "xstar", "dir/keep/f", "dir/other/f", "deep/end", "deep/a/b/end", "z/deep/a/end", "no[pe", "sub/local",
		"sub/x/local", "sub/only", "sub/z/only", "sub/x/y/f", "sub/z/x/y", "sub/deep/shown", "sub/deep/hidden", "private/f", "sub/private/f", "my.secret", "sub/a.secret",
		"sub/out2/a.log/x",
	} {
		write(t, filepath.Join(root, p), "")
	}
	compareWithGit(t, root, "repository")

	// A project below the top of the repository obeys what is above it.
	compareWithGit(t, filepath.Join(root, "sub"), "subdirectory")

	// A linked worktree shares info/exclude.
	git(t, root, "", "commit", "-q", "--allow-empty", "-m", "x")
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, root, "", "worktree", "add", "-q", linked)
	write(t, filepath.Join(linked, ".gitignore"), "/q\n")
	for _, p := range []string{"private/f", "q", "r", "a.secret"} {
		write(t, filepath.Join(linked, p), "")
	}
	compareWithGit(t, linked, "linked worktree")
	if !isLinkedWorktree(linked) || isLinkedWorktree(root) {
		t.Error("a linked worktree is not told from the main one")
	}
}

// TestIgnoreRandom compares with git on generated patterns and paths. The
// seeds are fixed, so that a failure can be repeated.
func TestIgnoreRandom(t *testing.T) {
	names := []string{"a", "b", "ab", "a.c", "b.c", "-", "]", "x y", "A"}
	pieces := []string{"a", "b", "c", ".", "*", "**", "?", "/", "/", "[ab]", "[!a]", "[a-c.]", `\*`, `\a`, "!", " ", "[]-]", "[[:alpha:]]", "**/", "/**"}
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		root := t.TempDir()
		git(t, root, "", "init", "-q")
		for range 60 {
			p := root
			for range 1 + rnd.IntN(4) {
				p = filepath.Join(p, names[rnd.IntN(len(names))])
			}
			if os.MkdirAll(filepath.Dir(p), 0o755) == nil { // else a file is in the way
				if st, err := os.Stat(p); err != nil || !st.IsDir() {
					_ = os.WriteFile(p, nil, 0o644)
				}
			}
		}
		for _, dir := range append([]string{""}, allPaths(t, root)...) {
			if dir != "" && (!strings.HasSuffix(dir, "/") || rnd.IntN(4) > 0) {
				continue
			}
			var text strings.Builder
			for range 1 + rnd.IntN(6) {
				for range 1 + rnd.IntN(5) {
					text.WriteString(pieces[rnd.IntN(len(pieces))])
				}
				text.WriteString("\n")
			}
			write(t, filepath.Join(root, dir, ".gitignore"), text.String())
		}
		compareWithGit(t, root, fmt.Sprintf("seed %d", seed))
		if t.Failed() {
			for _, p := range append([]string{"./"}, allPaths(t, root)...) {
				if strings.HasSuffix(p, "/") {
					if data, err := os.ReadFile(filepath.Join(root, p, ".gitignore")); err == nil {
						t.Logf("%s.gitignore: %q", p, data)
					}
				}
			}
			return
		}
	}
}

func TestIgnoreUsual(t *testing.T) {
	g := newIgnorer(t.TempDir())
	for p, want := range map[string]bool{
		".git": true, "x/.git": true, "node_modules": true, "x/__pycache__": true, ".a.py.swp": true, "x/.a.py.swo": true, "a.swp": true, "4913": true, "a~": true,
		".#a": true, "#a#": true, "a.py": false, "#a": false, ".env": false, "a.svg": false, ".a.svg": false, "x/a.swift": false,
	} {
		if got := g.ignores(p, false); got != want {
			t.Errorf("%q: ignored %v", p, got)
		}
	}
}

func TestIgnoredProjectIsItsOwn(t *testing.T) {
	top := t.TempDir()
	git(t, top, "", "init", "-q")
	write(t, filepath.Join(top, ".gitignore"), "scratch/\n*.tmp\n")
	root := filepath.Join(top, "scratch", "project")
	write(t, filepath.Join(root, "main.py"), "")
	if newIgnorer(root).ignores("main.py", false) {
		t.Error("everything is ignored in a project that an outer repository ignores")
	}
	g := newIgnorer(top)
	g.load(".")
	if !g.ignores("a.tmp", false) {
		t.Error("*.tmp is not ignored")
	}
}
