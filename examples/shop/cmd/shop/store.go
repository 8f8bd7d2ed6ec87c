package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// store keeps named numbers in memory and in a file of its directory.
type store struct {
	dir  string
	file string

	mu     sync.Mutex // guards counts and the file
	counts map[string]int
}

// counted is a number after it was counted up.
type counted struct {
	Store string `json:"store"`
	Key   string `json:"key"`
	Value int    `json:"value"`
}

// openStore reads data/counts.json in dir, which need not exist.
func openStore(dir string) (*store, error) {
	s := &store{dir: dir, file: filepath.Join(dir, "data", "counts.json"), counts: map[string]int{}}
	data, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := json.Unmarshal(data, &s.counts); err != nil {
		return nil, fmt.Errorf("open store %s: %w", s.file, err)
	}
	return s, nil
}

// count adds one to a number and gives it when it is in the file.
func (s *store) count(key string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[key]++
	if err := s.save(); err != nil {
		s.counts[key]--
		return 0, err
	}
	return s.counts[key], nil
}

// save puts a whole new file in the place of the old one.
func (s *store) save() error {
	data, err := json.Marshal(s.counts)
	if err != nil {
		return fmt.Errorf("save store: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.file), 0o755); err != nil {
		return fmt.Errorf("save store: %w", err)
	}
	half := s.file + ".new"
	if err := os.WriteFile(half, data, 0o644); err != nil {
		return fmt.Errorf("save store: %w", err)
	}
	if err := os.Rename(half, s.file); err != nil {
		return fmt.Errorf("save store: %w", err)
	}
	return nil
}

func (s *store) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /count/{key}", func(w http.ResponseWriter, r *http.Request) {
		key := r.PathValue("key")
		n, err := s.count(key)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, counted{Store: s.dir, Key: key, Value: n})
	})
	return mux
}
