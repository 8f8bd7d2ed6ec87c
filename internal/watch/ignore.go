package watch

import (
	"bytes"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Files that are not edited by hand, in the syntax of .gitignore. A project's own
// .gitignore can take a line back ("!node_modules").
const usuallyIgnored = `
.hg
.svn
.jj
node_modules
__pycache__
.DS_Store
# vim: swap files, and the file by which it tests whether it can write
.*.sw[a-p]
*.sw[op]
4913
# backups of emacs, vim, gedit, nano, kate; locks and autosaves of emacs
*~
.#*
\#*#
.goutputstream-*
*.kate-swp
.~lock.*#
# JetBrains "safe write"
*___jb_tmp___
*___jb_old___
`

// maxIgnoreFile bounds what is read of one .gitignore file, in bytes.
const maxIgnoreFile = 1 << 20

// ruleset is one file of ignore patterns.
type ruleset struct {
	// base is the directory that holds the file, relative to the top of the
	// repository, "" for the top.
	base  string
	globs []glob
}

// decide reports whether the last pattern that matches p ignores it. p is
// relative to the top of the repository.
func (r *ruleset) decide(p string, isDir bool) (ignored, decided bool) {
	rel := p
	if r.base != "" {
		rel = p[len(r.base)+1:]
	}
	for i := len(r.globs) - 1; i >= 0; i-- {
		if r.globs[i].match(rel, isDir) {
			return !r.globs[i].negated, true
		}
	}
	return false, false
}

// parseRules reads a file of ignore patterns as git does: a byte order mark
// is dropped, so is a CR before the LF, so are spaces at the end that no
// backslash protects.
func parseRules(base string, data []byte) *ruleset {
	r := &ruleset{base: base}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for line := range strings.SplitSeq(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if g, ok := parseGlob(trimSpaces(line)); ok {
			r.globs = append(r.globs, g)
		}
	}
	return r
}

func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(s))
	}
	return s[:end]
}

// ignorer answers whether git, or habit, ignores a path below the root. It
// knows the .gitignore files from the top of the repository down to the
// directories that were loaded, .git/info/exclude, and the usual suspects. It
// does not know the user's global file (core.excludesFile).
type ignorer struct {
	root string
	// gitDir is git's directory for this worktree, "" where there is no repository.
	gitDir string
	// prefix is the root relative to the top of the repository, "" where the
	// root is the top or there is no repository.
	prefix string
	// outer holds what is above the root and info/exclude and the usual
	// names, strongest first.
	outer []*ruleset
	// dirs holds the .gitignore of each directory below the root that has
	// one, by its path relative to the root ("." for the root).
	dirs map[string]*ruleset
}

func newIgnorer(root string) *ignorer {
	g := &ignorer{root: root, dirs: map[string]*ruleset{}}
	usual := parseRules("", []byte(usuallyIgnored))
	top, common, ok := findRepository(root)
	if ok {
		g.gitDir = worktreeDir(top)
		rel, err := filepath.Rel(top, root)
		if err == nil && rel != "." {
			g.prefix = filepath.ToSlash(rel)
		}
		// Directories from just above the root to the top.
		for dir := path.Dir(g.prefix); g.prefix != ""; dir = path.Dir(dir) {
			base := dir
			if dir == "." {
				base = ""
			}
			if r := loadRules(filepath.Join(top, dir, ".gitignore"), base); r != nil {
				g.outer = append(g.outer, r)
			}
			if dir == "." {
				break
			}
		}
		if common != "" {
			if r := loadRules(filepath.Join(common, "info", "exclude"), ""); r != nil {
				g.outer = append(g.outer, r)
			}
		}
		// A project inside a directory that an outer repository ignores is
		// none of that repository's business.
		if g.prefix != "" && g.outerIgnoresRoot() {
			g.outer = nil
		}
	}
	g.outer = append(g.outer, usual)
	return g
}

func (g *ignorer) outerIgnoresRoot() bool {
	for i, c := range g.prefix + "/" {
		if c != '/' {
			continue
		}
		p := g.prefix[:i]
		for _, r := range g.outer {
			if r.base != "" && !strings.HasPrefix(p, r.base+"/") {
				continue
			}
			if ignored, decided := r.decide(p, true); decided {
				if ignored {
					return true
				}
				break
			}
		}
	}
	return false
}

// load reads the .gitignore of dir (relative to the root) again.
func (g *ignorer) load(dir string) {
	base := g.fromTop(dir)
	if r := loadRules(filepath.Join(g.root, dir, ".gitignore"), base); r != nil {
		g.dirs[dir] = r
	} else {
		delete(g.dirs, dir)
	}
}

func (g *ignorer) forget(dir string) { delete(g.dirs, dir) }

func (g *ignorer) fromTop(rel string) string {
	switch {
	case rel == ".":
		return g.prefix
	case g.prefix == "":
		return rel
	default:
		return g.prefix + "/" + rel
	}
}

// ignores reports whether rel (relative to the root) is ignored, if nothing
// above it is.
func (g *ignorer) ignores(rel string, isDir bool) bool {
	if path.Base(rel) == ".git" {
		return true
	}
	p := g.fromTop(rel)
	for dir := path.Dir(rel); ; dir = path.Dir(dir) {
		if r := g.dirs[dir]; r != nil {
			if ignored, decided := r.decide(p, isDir); decided {
				return ignored
			}
		}
		if dir == "." {
			break
		}
	}
	for _, r := range g.outer {
		if ignored, decided := r.decide(p, isDir); decided {
			return ignored
		}
	}
	return false
}

// loadRules returns nil for a file that is not there or holds no pattern. Like
// git, it does not follow a symbolic link.
func loadRules(file, base string) *ruleset {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile))
	if err != nil {
		return nil
	}
	if r := parseRules(base, data); len(r.globs) > 0 {
		return r
	}
	return nil
}

// findRepository looks for .git in root and above it. common is the directory
// with info/exclude, the same one for all worktrees (gitrepository-layout(5)).
func findRepository(root string) (top, common string, ok bool) {
	for dir := root; ; dir = filepath.Dir(dir) {
		dotGit := filepath.Join(dir, ".git")
		if st, err := os.Lstat(dotGit); err == nil {
			if st.IsDir() {
				return dir, dotGit, true
			}
			return dir, commonDir(dir, dotGit), true
		}
		if dir == filepath.Dir(dir) {
			return "", "", false
		}
	}
}

// commonDir follows the "gitdir:" line of a .git file and the commondir file
// that a linked worktree has; "" if they lead nowhere.
func commonDir(dir, dotGit string) string {
	gitDir := gitDirIn(dir, dotGit)
	if gitDir == "" {
		return ""
	}
	data, err := os.ReadFile(filepath.Join(gitDir, "commondir"))
	if err != nil {
		return gitDir
	}
	common := strings.TrimSpace(string(data))
	if !filepath.IsAbs(common) {
		common = filepath.Join(gitDir, common)
	}
	return common
}

// worktreeDir returns the directory of git that belongs to the worktree top.
func worktreeDir(top string) string {
	dotGit := filepath.Join(top, ".git")
	if st, err := os.Lstat(dotGit); err == nil && st.IsDir() {
		return dotGit
	}
	return gitDirIn(top, dotGit)
}

// gitDirIn is gitDirOf the file dotGit in dir, absolute.
func gitDirIn(dir, dotGit string) string {
	gitDir := gitDirOf(dotGit)
	if gitDir != "" && !filepath.IsAbs(gitDir) {
		gitDir = filepath.Join(dir, gitDir)
	}
	return gitDir
}

func gitDirOf(dotGit string) string {
	f, err := os.OpenFile(dotGit, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 8192))
	if err != nil {
		return ""
	}
	gitDir, ok := strings.CutPrefix(string(data), "gitdir:")
	if !ok {
		return ""
	}
	return strings.TrimSpace(gitDir)
}

// isLinkedWorktree reports whether dir is another worktree of a repository (git
// worktree add): a project of its own.
func isLinkedWorktree(dir string) bool {
	gitDir := gitDirOf(filepath.Join(dir, ".git"))
	return strings.Contains(filepath.ToSlash(gitDir), "/worktrees/")
}
