// Package processes is which processes are inside a home of the engine seccomp,
// and to which service each belongs: by having been started or seen there, by
// descent, by its mark, or by its environment.
//
// It starts nothing and reaps nothing.
package processes

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"lodge/internal/home"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/mark"
)

// process is a process that was seen inside. Its start time tells it from a
// later one with the same id.
type process struct {
	service string
	start   uint64
}

// stat is what is read from /proc/PID/stat (proc(5)).
type stat struct {
	state  byte
	parent int
	start  uint64 // in clock ticks since the machine started
}

// The environment by which a process that lost its parents is recognised.
const (
	EnvHome    = "LODGE_HOME_ID"
	EnvService = "LODGE_SERVICE"
)

// Table has the processes of one home. Its methods may be called by several
// goroutines.
type Table struct {
	home   string       // its id
	marker *mark.Marker // nil where processes carry no mark
	// filters is how many seccomp filters this process itself is under.
	filters int
	walk    home.Shared[map[string][]int]

	mu sync.Mutex // guards known
	// known maps the processes that were seen inside to their service.
	known map[int]process
}

// New returns the table of the home with an id. The caller is the subreaper of
// what is started inside.
func New(id string, marker *mark.Marker) (*Table, error) {
	filters, err := Filters()
	if err != nil {
		return nil, err
	}
	return &Table{home: id, marker: marker, filters: filters, known: make(map[int]process)}, nil
}

// Add keeps that a process belongs to a service.
func (t *Table) Add(pid int, service string) {
	s, ok := readStat(pid)
	if !ok {
		return // ended and reaped already
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[pid] = process{service, s.start}
}

// AddThread keeps that a thread's process belongs to a service, so that it is
// found when its parents are gone and its environment is cleared.
func (t *Table) AddThread(tid uint32, service string) {
	pid, err := unotify.ThreadGroup(tid)
	if err != nil {
		return // gone
	}
	t.Add(pid, service)
}

// Seen lists the processes that were seen inside, also those that have ended and
// are not reaped yet, or were not looked for since.
func (t *Table) Seen() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.known))
}

// Forget drops what is known of a service that has no process left.
func (t *Table) Forget(service string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for pid, p := range t.known {
		if p.service == service {
			delete(t.known, pid)
		}
	}
}

// Of lists the living processes of a service, or of all. Below the
// processes that are known it is every descendant; an orphan that came to this
// process as the subreaper is known by its mark. One without, because it set
// the limit that carries it or because marks cannot be had here, is known by its
// environment, by having been seen before, or by what it bound, and is else
// listed for "" only.
func (t *Table) Of(service string) ([]int, error) {
	// A process that forks and ends while /proc is read can be missed, and its
	// child too; one that becomes another program has no environment for a
	// moment. No process is left only where several looks say so, a little apart,
	// since no event tells when others are done with their system calls.
	for i := range looks {
		if i > 0 {
			time.Sleep(2 * time.Millisecond)
		}
		if out, err := t.look(service); err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, nil
}

// looks is how often Of looks before it reports that no process is there.
const looks = 3

func (t *Table) look(service string) ([]int, error) {
	// Many services may end at once: one walk of /proc is enough for all.
	found, err := t.walk.Do(t.readInside)
	if err != nil {
		return nil, fmt.Errorf("list processes of home %s: %w", t.home, err)
	}
	return home.ProcessesOf(service, found), nil
}

// readInside lists the living processes inside by their service.
func (t *Table) readInside() (map[string][]int, error) {
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	children := make(map[int][]int)
	for pid, s := range all {
		children[s.parent] = append(children[s.parent], pid)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	owner := make(map[int]string)
	for pid, p := range t.known {
		if s, ok := all[pid]; ok && s.start == p.start {
			owner[pid] = p.service
		} else {
			delete(t.known, pid)
		}
	}
	for _, pid := range children[self] {
		if _, ok := owner[pid]; ok {
			continue
		}
		if name, ok := t.adopt(pid); ok {
			owner[pid] = name
		}
	}
	roots := make([]int, 0, len(owner))
	for pid := range owner {
		roots = append(roots, pid)
	}
	for len(roots) > 0 {
		pid := roots[len(roots)-1]
		roots = roots[:len(roots)-1]
		for _, child := range children[pid] {
			if _, ok := owner[child]; !ok {
				owner[child] = owner[pid]
				roots = append(roots, child)
			}
		}
	}
	out := make(map[string][]int)
	for pid, name := range owner {
		if name != unattributed {
			t.known[pid] = process{name, all[pid].start}
		}
		if all[pid].alive() {
			out[name] = append(out[name], pid)
		}
	}
	for _, pids := range out {
		slices.Sort(pids)
	}
	return out, nil
}

// unattributed is the service of a process whose service is not known; no service
// has this name, since an environment cannot hold it.
const unattributed = "\x00"

// adopt returns the service of an orphan. A child of this process that is not
// inside has none: only what is inside has a filter more than this process has.
func (t *Table) adopt(pid int) (string, bool) {
	switch name, whose := t.marker.Whose(pid); {
	case whose == mark.Foreign:
		return "", false // of a lodge that runs inside, or that was started from inside
	case whose == mark.Ours && name != "":
		return name, true
	case whose == mark.Ours:
		return unattributed, true
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err == nil {
		id, hasID := environ(env, EnvHome)
		name, hasName := environ(env, EnvService)
		switch {
		case hasID && id != t.home:
			return "", false
		case hasID && hasName:
			return name, true
		}
	}
	n, err := filtersOf(strconv.Itoa(pid))
	return unattributed, err == nil && n > t.filters
}
