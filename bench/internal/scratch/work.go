// Package scratch is what a measurement needs around it: a directory of its
// own, what must be undone at its end, the programs it starts, and network
// namespaces. It measures nothing.
package scratch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Work is the directory of one run, and what must be undone at its end.
type Work struct {
	// Dir is the directory, which no other process uses.
	Dir string

	mu   sync.Mutex // guards undo
	undo []func(context.Context) error
}

// New makes the directory.
func New() (*Work, error) {
	dir, err := os.MkdirTemp("", "lodge-bench-")
	if err != nil {
		return nil, fmt.Errorf("make working directory: %w", err)
	}
	// /tmp may be a link: processes are recognised by where their program is.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	return &Work{Dir: dir}, nil
}

// Path returns a path below the directory, whose parent exists afterwards.
func (w *Work) Path(rel string) string {
	p := filepath.Join(w.Dir, rel)
	_ = os.MkdirAll(filepath.Dir(p), 0o755) // who writes there tells why it cannot
	return p
}

// Mkdir makes a directory below.
func (w *Work) Mkdir(rel string) (string, error) {
	p := filepath.Join(w.Dir, rel)
	if err := os.MkdirAll(p, 0o755); err != nil {
		return "", err
	}
	return p, nil
}

// Later adds to what is undone at the end, last first.
func (w *Work) Later(f func(context.Context) error) {
	w.mu.Lock()
	w.undo = append(w.undo, f)
	w.mu.Unlock()
}

// Close undoes everything, last first, ends what is left of the programs that
// were built here, and removes the directory.
func (w *Work) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	w.mu.Lock()
	undo := w.undo
	w.undo = nil
	w.mu.Unlock()
	var errs []error
	for i := len(undo) - 1; i >= 0; i-- {
		errs = append(errs, undo[i](ctx))
	}
	for _, pid := range ProcessesOf(w.Dir) {
		errs = append(errs, Kill(ctx, pid))
	}
	errs = append(errs, os.RemoveAll(w.Dir))
	return errors.Join(errs...)
}

// ProcessesOf lists the processes whose program lies in dir: no others
// can, since the directory is this run's.
func ProcessesOf(dir string) []int {
	ents, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range ents {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink("/proc/" + e.Name() + "/exe")
		if err != nil {
			continue // another user's, or gone
		}
		if rel, err := filepath.Rel(dir, exe); err == nil && filepath.IsLocal(rel) {
			out = append(out, pid)
		}
	}
	return out
}
