package main

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

// work is the directory of one run, and what must be undone at its end.
type work struct {
	dir string

	mu   sync.Mutex // guards undo
	undo []func(context.Context) error
}

func newWork() (*work, error) {
	dir, err := os.MkdirTemp("", "lodge-bench-")
	if err != nil {
		return nil, fmt.Errorf("make working directory: %w", err)
	}
	// /tmp may be a link: processes are recognised by where their program is.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	return &work{dir: dir}, nil
}

// path gives a path below the directory, whose parent exists afterwards.
func (w *work) path(rel string) string {
	p := filepath.Join(w.dir, rel)
	_ = os.MkdirAll(filepath.Dir(p), 0o755) // who writes there tells why it cannot
	return p
}

// mkdir makes a directory below.
func (w *work) mkdir(rel string) (string, error) {
	p := filepath.Join(w.dir, rel)
	if err := os.MkdirAll(p, 0o755); err != nil {
		return "", err
	}
	return p, nil
}

func (w *work) later(f func(context.Context) error) {
	w.mu.Lock()
	w.undo = append(w.undo, f)
	w.mu.Unlock()
}

// close undoes everything, last first, ends what is left of the programs that
// were built here, and removes the directory.
func (w *work) close(ctx context.Context) error {
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
	for _, pid := range processesOf(w.dir) {
		errs = append(errs, killAndWait(ctx, pid))
	}
	errs = append(errs, os.RemoveAll(w.dir))
	return errors.Join(errs...)
}

// processesOf lists the processes whose program lies in dir: nobody else's
// can, since the directory is this run's.
func processesOf(dir string) []int {
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
