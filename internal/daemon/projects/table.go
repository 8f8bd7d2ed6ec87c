package projects

import (
	"os"
	"sync"

	"lodge/internal/keeperapi"
)

// table has the projects that are open.
type table struct {
	// mu guards what follows. It is never held while a keeper is started, asked or
	// awaited; opening[id] is.
	mu       sync.Mutex
	projects map[string]*Project    // by id
	opening  map[string]*sync.Mutex // by path
}

func newTable() table {
	return table{projects: make(map[string]*Project), opening: make(map[string]*sync.Mutex)}
}

// lock serializes opening the project of a path.
func (t *table) lock(path string) (unlock func()) {
	t.mu.Lock()
	m, ok := t.opening[path]
	if !ok {
		m = &sync.Mutex{}
		t.opening[path] = m
	}
	t.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (t *table) get(id string) (*Project, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.projects[id]
	return p, ok
}

func (t *table) all() []*Project {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*Project, 0, len(t.projects))
	for _, p := range t.projects {
		out = append(out, p)
	}
	return out
}

// add makes a project the one of its id.
func (t *table) add(p *Project) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.projects[p.rec.Config.ID] = p
}

// remove removes a project, unless another one has taken its place.
func (t *table) remove(p *Project) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.projects[p.rec.Config.ID] == p {
		delete(t.projects, p.rec.Config.ID)
	}
}

// at returns the project that is up with this directory: the directory itself, also
// after it was renamed, else the one that was opened at the path. It is nil for none.
func (t *table) at(path string) *Project {
	id := ""
	if fi, err := os.Stat(path); err == nil {
		id = keeperapi.DirID(fi)
	}
	var byPath *Project
	for _, p := range t.all() {
		if id != "" && p.dirID() == id {
			return p
		}
		if p.rec.Config.Dir == path {
			byPath = p
		}
	}
	return byPath
}
