// Package store keeps the daemon's state file: which project has which home, label and
// id, and at which port names are served where 443 cannot be had. A file that cannot be
// read is set aside, and one that cannot be written costs a warning: homes follow from
// the paths of projects.
package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/rawjson"
	"lodge/internal/statefile"
)

// Store remembers which project has which home. Homes follow from the
// project's path, so only collisions and names would be lost with the file.
type Store struct {
	path string
	seed string // what tells this daemon's homes from another's

	mu       sync.Mutex // guards all below, and the file
	projects map[string]Project
	webPort  uint16
	warnings []string
}

// Project is a project that has a home.
type Project struct {
	ID   string     `json:"id"`
	Name string     `json:"name"`
	Path string     `json:"path"`
	Home netip.Addr `json:"home"`
	Used time.Time  `json:"used_at"`
	// Label is what the project is called in host names.
	Label string `json:"label,omitempty"`
}

type stateFile struct {
	Version  int       `json:"version"`
	Projects []Project `json:"projects"`
	// WebPort is the port of names where 443 cannot be had; 0 is not chosen.
	WebPort uint16 `json:"web_port,omitempty"`
}

const stateVersion = 1

// Open reads the state file in a directory. A file that cannot be read as one is set aside
// under another name, with a warning.
func Open(dir string) (*Store, error) {
	s := &Store{path: filepath.Join(dir, "state.json"), seed: dir, projects: make(map[string]Project)}
	b, err := statefile.Read(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	var f stateFile
	if err == nil {
		err = rawjson.Unmarshal(b, &f)
	}
	if err == nil && f.Version != stateVersion {
		err = fmt.Errorf("it has version %d, this lodge reads %d", f.Version, stateVersion)
	}
	if err != nil {
		aside := fmt.Sprintf("%s.corrupt-%s", s.path, time.Now().UTC().Format("20060102T150405.000Z"))
		if rerr := os.Rename(s.path, aside); rerr != nil {
			return nil, fmt.Errorf("set corrupt state aside: %w", rerr)
		}
		s.warnings = append(s.warnings, fmt.Sprintf("state file was not readable (%v): set aside as %s; homes follow from the projects' paths, so they stay the same", err, aside))
		return s, nil
	}
	s.webPort = f.WebPort
	taken := make(map[netip.Addr]bool)
	for _, p := range f.Projects {
		if !filepath.IsAbs(p.Path) || !ValidID(p.ID) || !loopback.HomeRange.Contains(p.Home) || taken[p.Home] {
			s.warn(fmt.Sprintf("state file: entry for %q ignored (id %q, home %v)", p.Path, p.ID, p.Home))
			continue
		}
		taken[p.Home] = true
		s.projects[p.Path] = p
	}
	return s, nil
}

// warn keeps a warning, once. The caller holds mu.
func (s *Store) warn(w string) {
	if !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}

// Home returns the project's home: the remembered one, else the first that its
// path hashes to which no other project has and usable accepts.
func (s *Store) Home(path, name string, usable func(netip.Addr) error) (Project, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.projects[path]
	var last error
	if known {
		if last = usable(p.Home); last == nil {
			if p.Name != name || p.Label == "" {
				p.Name, p.Used = name, time.Now().UTC()
				p.Label = s.label(path, name)
				s.projects[path] = p
				s.saveOrWarn()
			}
			return p, nil
		}
		s.warn(fmt.Sprintf("home %s of %s is in use by something else (%v): another was taken", p.Home, path, last))
	}
	taken := make(map[netip.Addr]bool)
	for _, o := range s.projects {
		taken[o.Home] = true
	}
	for attempt := range 64 {
		ip := loopback.HomeFor(s.seed+"\x00"+path, attempt)
		if taken[ip] {
			continue
		}
		if last = usable(ip); last != nil {
			continue
		}
		p = Project{ID: projectID(s.seed, path, name), Name: name, Path: path, Home: ip, Used: time.Now().UTC()}
		if old, ok := s.projects[path]; ok {
			p.ID = old.ID
		}
		p.Label = s.label(path, name)
		s.projects[path] = p
		s.saveOrWarn()
		return p, nil
	}
	if last == nil {
		last = errors.New("every address is taken by another project")
	}
	return Project{}, fmt.Errorf("find a home in %s: %w", loopback.HomeRange, last)
}

// label returns the project's name in host names: its own, unless another
// project that still is on disk has that. The caller holds mu.
func (s *Store) label(path, name string) string {
	return names.Label(names.Clean(name), func(l string) bool {
		for _, o := range s.projects {
			if o.Label == l && o.Path != path {
				if _, err := os.Stat(o.Path); err == nil {
					return true
				}
			}
		}
		return false
	})
}

// LabelFor returns what the project in a directory is called in host names.
func (s *Store) LabelFor(path, name string) string { return cmp.Or(s.LabelOf(path), names.Clean(name)) }

// LabelOf returns the label of a project that has a home.
func (s *Store) LabelOf(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.projects[path].Label
}

// The ports of names where 443 cannot be had: below those that Linux hands
// out (ip(7), ip_local_port_range), and not those of usual servers.
const (
	webFirst = 20000
	webCount = 8000
)

// WebPortOr returns the port of names that was chosen once, or other.
func (s *Store) WebPortOr(other uint16) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.webPort != 0 {
		return s.webPort
	}
	return other
}

// WebPort returns the port of names, the same every time: the one that was chosen
// before, or the first from where the directory's hash points that is free.
// With every port taken it is 0.
func (s *Store) WebPort(free func(uint16) bool) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.webPort != 0 && free(s.webPort) {
		return s.webPort
	}
	sum := sha256.Sum256([]byte(s.seed))
	first := binary.BigEndian.Uint32(sum[:4])
	for i := range uint32(64) {
		p := uint16(webFirst + (first+i)%webCount)
		if !free(p) {
			continue
		}
		if s.webPort == 0 {
			s.webPort = p
			s.saveOrWarn()
		} else {
			s.warn(fmt.Sprintf("port %d of the names is in use by something else: port %d was taken", s.webPort, p))
		}
		return p
	}
	return 0
}

// Keep notes a home that is in use, as a keeper that still runs tells it.
func (s *Store) Keep(p Project) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.projects[p.Path]; ok && old.Home == p.Home {
		return
	}
	p.Label = s.label(p.Path, p.Name)
	s.projects[p.Path] = p
	s.saveOrWarn()
}

// List returns the known projects, in no order, and the warnings.
func (s *Store) List() ([]Project, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Project, 0, len(s.projects))
	for _, p := range s.projects {
		out = append(out, p)
	}
	return out, append([]string(nil), s.warnings...)
}

// saveOrWarn saves; a full disk is no reason to refuse a home, which follows
// from the path. The caller holds mu.
func (s *Store) saveOrWarn() {
	if err := s.save(); err != nil {
		s.warn(fmt.Sprintf("the list of homes was not saved (%v)", err))
	}
}

// save writes the file anew, whole or not at all. The caller holds mu.
func (s *Store) save() error {
	f := stateFile{Version: stateVersion, WebPort: s.webPort, Projects: make([]Project, 0, len(s.projects))}
	for _, p := range s.projects {
		f.Projects = append(f.Projects, p)
	}
	b, err := json.MarshalIndent(rawjson.Escape(f), "", "\t")
	if err != nil {
		return err
	}
	return writeFile(s.path, append(b, '\n'))
}
