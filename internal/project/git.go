package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// worktree is what a directory's .git says (gitrepository-layout(5),
// git-worktree(1)). The files are read directly: git itself need not be there.
type worktree struct {
	// top is the worktree's top directory.
	top string
	// linked says that it was made by "git worktree add".
	linked bool
	// branch is what a linked worktree has checked out: the short name of a
	// branch, seven digits of a commit, or the worktree's own name in git.
	branch string
	// main is the name of the main checkout's directory.
	main string
}

// findWorktree reads the .git of dir; found is false where it has none.
func findWorktree(dir string) (wt worktree, found bool, err error) {
	dotgit := filepath.Join(dir, ".git")
	info, err := os.Stat(dotgit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return worktree{}, false, nil
	case err != nil:
		return worktree{}, false, fmt.Errorf("find git worktree: %w", err)
	}
	wt = worktree{top: dir, main: filepath.Base(dir)}
	if info.IsDir() {
		return wt, true, nil
	}
	text, err := readSmall(dotgit)
	if err != nil {
		return worktree{}, false, err
	}
	gitdir, ok := strings.CutPrefix(strings.TrimRight(text, "\r\n"), "gitdir: ")
	if !ok {
		return worktree{}, false, fmt.Errorf("read %s: it does not begin with %q", dotgit, "gitdir: ")
	}
	gitdir = resolve(dir, gitdir)
	common, err := readSmall(filepath.Join(gitdir, "commondir"))
	if errors.Is(err, fs.ErrNotExist) {
		// A submodule, or a repository with its git directory elsewhere: a
		// checkout of its own, and not one of several.
		return wt, true, nil
	}
	if err != nil {
		return worktree{}, false, err
	}
	wt.linked = true
	wt.main = checkoutName(resolve(gitdir, strings.TrimRight(common, "\r\n")))
	wt.branch, err = checkedOut(gitdir)
	return wt, true, err
}

// checkoutName names the main checkout whose git directory is common. Bare
// repositories are called "shop.git", or lie in "shop/.bare".
func checkoutName(common string) string {
	base := filepath.Base(common)
	if strings.HasPrefix(base, ".") {
		return filepath.Base(filepath.Dir(common))
	}
	return strings.TrimSuffix(base, ".git")
}

// checkedOut reads the branch that a worktree's git directory is on. In a
// rebase, where HEAD is detached for a while, it is the branch being rebased: a
// project does not change its name meanwhile.
func checkedOut(gitdir string) (string, error) {
	head, err := readSmall(filepath.Join(gitdir, "HEAD"))
	if err != nil {
		return "", err
	}
	if branch, ok := branchOf(head); ok {
		return branch, nil
	}
	for _, dir := range []string{"rebase-merge", "rebase-apply"} {
		name, err := readSmall(filepath.Join(gitdir, dir, "head-name"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotRegular) {
			return "", err
		}
		if branch, ok := branchOf("ref: " + name); err == nil && ok {
			return branch, nil
		}
	}
	hash := strings.TrimSpace(head)
	if len(hash) >= 40 && strings.Trim(hash, "0123456789abcdef") == "" {
		return hash[:7], nil
	}
	// The reftable format keeps the branch in a file of its own, and leaves a
	// HEAD that names no branch. Git's name of the worktree is as good.
	return filepath.Base(gitdir), nil
}

// branchOf reads "ref: refs/heads/feature/x".
func branchOf(head string) (string, bool) {
	ref, ok := strings.CutPrefix(strings.TrimSpace(head), "ref:")
	if !ok {
		return "", false
	}
	ref = strings.TrimPrefix(strings.TrimSpace(ref), "refs/heads/")
	return ref, ref != "" && ref != ".invalid"
}

// resolve makes a path that a file in dir names absolute.
func resolve(dir, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

// readSmall reads one of git's files of a single line.
func readSmall(path string) (string, error) {
	data, err := readFile(path, 16<<10)
	return string(data), err
}
