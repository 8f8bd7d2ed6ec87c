package daemon

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

// store remembers which project has which home. Homes follow from the
// project's path, so only collisions and names would be lost with the file.
type store struct {
	path string
	seed string // what tells this daemon's homes from another's

	mu       sync.Mutex // guards all below, and the file
	projects map[string]remembered
	webPort  uint16
	warnings []string
}

type remembered struct {
	ID   string     `json:"id"`
	Name string     `json:"name"`
	Path string     `json:"path"`
	Home netip.Addr `json:"home"`
	Used time.Time  `json:"used_at"`
	// Label is what the project is called in host names.
	Label string `json:"label,omitempty"`
}

type stateFile struct {
	Version  int          `json:"version"`
	Projects []remembered `json:"projects"`
	// WebPort is the port of names where 443 cannot be had; 0 is not chosen.
	WebPort uint16 `json:"web_port,omitempty"`
}

const stateVersion = 1

// openStore reads the state. A file that cannot be read as one is set aside
// under another name, with a warning.
func openStore(dir string) (*store, error) {
	s := &store{path: filepath.Join(dir, "state.json"), seed: dir, projects: make(map[string]remembered)}
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
		if !filepath.IsAbs(p.Path) || !validID(p.ID) || !loopback.HomeRange.Contains(p.Home) || taken[p.Home] {
			s.warn(fmt.Sprintf("state file: entry for %q ignored (id %q, home %v)", p.Path, p.ID, p.Home))
			continue
		}
		taken[p.Home] = true
		s.projects[p.Path] = p
	}
	return s, nil
}

// warn keeps a warning, once. Call it with mu held.
func (s *store) warn(w string) {
	if !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}

// home returns the project's home: the remembered one, else the first that its
// path hashes to which no other project has and usable accepts.
func (s *store) home(path, name string, usable func(netip.Addr) error) (remembered, error) {
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
		p = remembered{ID: projectID(s.seed, path, name), Name: name, Path: path, Home: ip, Used: time.Now().UTC()}
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
	return remembered{}, fmt.Errorf("find a home in %s: %w", loopback.HomeRange, last)
}

// label returns the project's name in host names: its own, unless another
// project that still is on disk has that. Call it with mu held.
func (s *store) label(path, name string) string {
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

// labelFor returns what the project in a directory is called in host names.
func (s *store) labelFor(path, name string) string { return cmp.Or(s.labelOf(path), names.Clean(name)) }

// labelOf returns the label of a project that has a home.
func (s *store) labelOf(path string) string {
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

// webPortOr returns the port of names that was chosen once, or other.
func (s *store) webPortOr(other uint16) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.webPort != 0 {
		return s.webPort
	}
	return other
}

// web returns the port of names, the same every time: the one that was chosen
// before, or the first from where the directory's hash points that is free.
// With every port taken it is 0.
func (s *store) web(free func(uint16) bool) uint16 {
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

// keep notes a home that is in use, as a keeper that still runs tells it.
func (s *store) keep(p remembered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.projects[p.Path]; ok && old.Home == p.Home {
		return
	}
	p.Label = s.label(p.Path, p.Name)
	s.projects[p.Path] = p
	s.saveOrWarn()
}

func (s *store) list() ([]remembered, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]remembered, 0, len(s.projects))
	for _, p := range s.projects {
		out = append(out, p)
	}
	return out, append([]string(nil), s.warnings...)
}

// saveOrWarn saves; a full disk is no reason to refuse a home, which follows
// from the path. Call it with mu held.
func (s *store) saveOrWarn() {
	if err := s.save(); err != nil {
		s.warn(fmt.Sprintf("the list of homes was not saved (%v)", err))
	}
}

// save writes the file anew, whole or not at all. Call it with mu held.
func (s *store) save() error {
	f := stateFile{Version: stateVersion, WebPort: s.webPort, Projects: make([]remembered, 0, len(s.projects))}
	for _, p := range s.projects {
		f.Projects = append(f.Projects, p)
	}
	b, err := json.MarshalIndent(rawjson.Escape(f), "", "\t")
	if err != nil {
		return err
	}
	return writeFile(s.path, append(b, '\n'))
}

// writeFile replaces a file in one step, after its content is on disk.
func writeFile(path string, b []byte) error {
	fail := func(err error) error {
		var pe *os.PathError // names a file that is there for a moment only
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}
