package watch

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

const (
	// pollEvery is the time between two polls, if one takes little time
	// itself; else it is pollRest times what the last two took at least.
	pollEvery = time.Second
	pollRest  = 20
)

// poller looks at what inotify does not report: directories without an inotify
// watch, and what symbolic links lead to. A poll goes on in pieces, so that events are
// handled meanwhile.
type poller struct {
	tree         *tree
	tick         *time.Timer   // of the next poll
	ticks        bool          // tick is set
	looking      []look        // what is left of a poll
	retry        bool          // a directory that was refused may be entered now
	took, before time.Duration // of the last poll, and of the one before
}

// look is something to look at: a polled directory, or a link.
type look struct {
	rel  string
	link bool
}

func newPoller(t *tree) *poller { return &poller{tree: t, tick: stoppedTimer()} }

// schedule sets the time of the next poll, if there is something to poll.
func (p *poller) schedule() {
	t := p.tree
	if t.vanished {
		p.looking = nil
	}
	if !p.ticks && !t.vanished && len(p.looking) == 0 && (t.dirs.polled > 0 || len(t.links) > 0) {
		// One that was long only because the machine was busy does not count.
		p.tick.Reset(max(pollEvery, pollRest*min(p.took, p.before)))
		p.ticks = true
	}
}

// begin begins a poll.
func (p *poller) begin() {
	p.ticks = false
	began := time.Now()
	t := p.tree
	if !t.rootIsThere() {
		t.vanish()
		return
	}
	if t.dirs.polled > 0 {
		var dirs []*directory
		for _, rel := range t.dirs.sorted() {
			if dir := t.dirs.at[rel]; dir.polled {
				dirs = append(dirs, dir)
				p.looking = append(p.looking, look{rel, false})
			}
		}
		t.source.promote(dirs, t.dirs.promoted)
	}
	clear(t.kernels) // a device number can stand for another file system by now
	for _, rel := range slices.Sorted(maps.Keys(t.links)) {
		p.looking = append(p.looking, look{rel, true})
	}
	p.retry, t.tours.freed = t.tours.freed, false
	p.before, p.took = p.took, time.Since(began)
	p.proceed()
}

// proceed goes on with a poll for a while.
func (p *poller) proceed() {
	began := time.Now()
	for len(p.looking) > 0 && time.Since(began) < sliceTime && !p.tree.stopping() {
		l := p.looking[0]
		p.looking = p.looking[1:]
		if l.link {
			p.link(l.rel)
		} else if dir := p.tree.dirs.at[l.rel]; dir != nil { // also one that has just got a watch
			p.directory(l.rel, dir)
		}
	}
	p.took += time.Since(began)
}

// directory compares a directory with what is known of it.
func (p *poller) directory(rel string, dir *directory) {
	t := p.tree
	info, err := os.Lstat(dir.real)
	if err != nil || !info.IsDir() {
		t.drop(rel, true)
		return
	}
	if rules := rulesTime(dir); rules != dir.rules {
		dir.rules = rules
		t.batch.changeRules()
	}
	seen := make(map[string]bool, len(dir.files))
	whole := t.each(dir, func(e fs.DirEntry) bool {
		child := path.Join(rel, e.Name())
		if t.isDir(dir, child, e) {
			t.enter(dir, child)
			return true
		}
		if !isFile(e.Type()) || !t.rules.counts(child, dir.ignored) {
			return true
		}
		info, err := e.Info()
		if err != nil {
			return true
		}
		before, known := dir.files[e.Name()]
		now := info.ModTime().UnixNano()
		seen[e.Name()] = true
		if !known || now != before {
			dir.files[e.Name()] = now
			t.batch.mark(child, known)
		}
		return true
	})
	if !whole {
		return
	}
	for name := range dir.files {
		if !seen[name] {
			delete(dir.files, name)
			t.batch.mark(path.Join(rel, name), true)
		}
	}
}

// link looks at what the link rel leads to now.
func (p *poller) link(rel string) {
	t := p.tree
	before, known := t.links[rel]
	if !known {
		return
	}
	parent := t.dirs.at[path.Dir(rel)]
	if parent == nil {
		t.forgetLink(rel)
		return
	}
	now := t.kernels.target(filepath.Join(parent.real, path.Base(rel)))
	if now == before {
		if now.dir && p.retry {
			t.enter(parent, rel)
		}
		return
	}
	t.links[rel] = now
	if before.dir || now.dir {
		delete(t.tours.refused, rel)
		t.drop(rel, true)
		if now.dir {
			t.enter(parent, rel)
		}
		return
	}
	if t.rules.counts(rel, parent.ignored) {
		_, was := parent.files[path.Base(rel)]
		t.batch.mark(rel, was)
	}
}
