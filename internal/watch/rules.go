package watch

import (
	"os"
	"path/filepath"
	"time"
)

// rules decide which files count, and which directories are watched for them: what
// the user wants, without what git ignores.
type rules struct {
	root   string
	wants  patterns
	ignore *ignorer
}

func newRules(root string, wants patterns) *rules {
	return &rules{root: root, wants: wants, ignore: newIgnorer(root)}
}

// reset forgets all .gitignore files, and reads those outside the root again.
func (r *rules) reset() { r.ignore = newIgnorer(r.root) }

// counts reports whether changes of the file rel are reported. ignored is set if its
// directory is ignored.
func (r *rules) counts(rel string, ignored bool) bool {
	if !r.wants.wants(rel) {
		return false
	}
	return r.wants.names(rel, false) || !ignored && !r.ignore.ignores(rel, false)
}

// enters reports whether to watch the directory rel, and whether it is ignored but
// for what patterns name in it. parentIgnored is set if its parent is.
func (r *rules) enters(rel string, parentIgnored bool) (watch, ignored bool) {
	if !r.wants.mayWant(rel) {
		return false, false
	}
	named := r.wants.names(rel, true)
	ignored = !named && (parentIgnored || r.ignore.ignores(rel, true))
	if ignored && !r.wants.leadsTo(rel) {
		return false, true
	}
	return named || !isLinkedWorktree(filepath.Join(r.root, rel)), ignored
}

// follows reports whether to follow the symbolic link rel. ignored is set if its
// directory is ignored.
func (r *rules) follows(rel string, ignored bool) bool {
	if !r.wants.wants(rel) && !r.wants.mayWant(rel) {
		return false
	}
	return r.wants.names(rel, false) || r.wants.leadsTo(rel) || !ignored && !r.ignore.ignores(rel, false)
}

// ignoredFromRoot reports whether the file rel, or a directory above it, is ignored.
func (r *rules) ignoredFromRoot(rel string) bool {
	ignored := false
	for i := 0; i <= len(rel); i++ {
		if i < len(rel) && rel[i] != '/' {
			continue
		}
		part, isDir := rel[:i], i < len(rel)
		ignored = !r.wants.names(part, isDir) && (ignored || r.ignore.ignores(part, isDir))
	}
	return ignored
}

// gitIsBusy reports whether git is changing the repository's files: it holds
// index.lock meanwhile. A lock that is older than longest was left behind.
func (r *rules) gitIsBusy(longest time.Duration) bool {
	if r.ignore.gitDir == "" {
		return false
	}
	info, err := os.Lstat(filepath.Join(r.ignore.gitDir, "index.lock"))
	return err == nil && time.Since(info.ModTime()) < longest
}
