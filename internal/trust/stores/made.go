package stores

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// noteFile remembers where a root was put, and what was made to hold it.
const noteFile = "stores.json"

// note is what Install did, so that Uninstall finds it again, also where it
// would not look by now, and removes that and nothing else.
type note struct {
	dir  string
	Made []string `json:"made"` // files and directories, in the order in which they were made
	In   []string `json:"in"`   // databases and key stores that got a root
}

// read takes what can be read: without it, only empty things are left behind.
func (n *note) read(dir string) {
	n.dir = dir
	b, err := os.ReadFile(filepath.Join(dir, noteFile))
	if err != nil || json.Unmarshal(b, n) != nil {
		n.Made, n.In = nil, nil
	}
	relative := func(p string) bool { return !filepath.IsAbs(p) }
	n.Made, n.In = slices.DeleteFunc(n.Made, relative), slices.DeleteFunc(n.In, relative)
}

// put remembers that a store gets a root; it comes before the root does.
func (n *note) put(path string) error {
	if slices.Contains(n.In, path) {
		return nil
	}
	n.In = append(n.In, path)
	return n.write()
}

// gone forgets a store that has no root any more.
func (n *note) gone(path string) error {
	if !slices.Contains(n.In, path) {
		return nil
	}
	n.In = slices.DeleteFunc(n.In, func(p string) bool { return p == path })
	return n.write()
}

func (n *note) has(path string) bool { return slices.Contains(n.Made, path) }

// add remembers a path. It comes before the path is made.
func (n *note) add(path string) error {
	if n.has(path) {
		return nil
	}
	n.Made = append(n.Made, path)
	return n.write()
}

// drop forgets a path that is gone.
func (n *note) drop(path string) error {
	if !n.has(path) {
		return nil
	}
	n.Made = slices.DeleteFunc(n.Made, func(p string) bool { return p == path })
	return n.write()
}

func (n *note) write() error {
	path := filepath.Join(n.dir, noteFile)
	if len(n.Made) == 0 && len(n.In) == 0 {
		return ignoreMissing(os.Remove(path))
	}
	b, err := json.MarshalIndent(n, "", "\t")
	if err != nil {
		return err
	}
	return replace(path, append(b, '\n'), 0o600)
}

// mkdir makes a directory and those above it that are missing, and remembers
// them.
func (n *note) mkdir(path string, mode os.FileMode) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := n.mkdir(filepath.Dir(path), mode); err != nil {
		return err
	}
	if err := n.add(path); err != nil {
		return err
	}
	return os.Mkdir(path, mode)
}

// rmdir removes a directory and those above it, as long as they were made here
// and nothing is in them.
func (n *note) rmdir(path string) {
	for n.has(path) {
		if err := ignoreMissing(os.Remove(path)); err != nil {
			return
		}
		if n.drop(path) != nil {
			return
		}
		path = filepath.Dir(path)
	}
}
