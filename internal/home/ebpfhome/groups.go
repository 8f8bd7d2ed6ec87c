package ebpfhome

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"lodge/internal/bpf"
)

// groups has the cgroups of the services of a home. No cgroup is made, removed or
// started in once it is closed.
type groups struct {
	in *os.File // the cgroup above them
	// made is called with each cgroup that is opened, before a process is in it.
	made func(*group) error

	mu     sync.Mutex // guards what follows
	closed bool
	open   map[string]*group
	// names has the service of every cgroup that there was: the ring may tell
	// of one that is gone.
	names map[uint64]string
}

func newGroups(in *os.File, made func(*group) error) *groups {
	return &groups{in: in, made: made, open: make(map[string]*group), names: make(map[uint64]string)}
}

// with calls f with the cgroup of a service, which is made if need be. The cgroup
// is not removed or closed meanwhile.
func (t *groups) with(service string, f func(*group) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return os.ErrClosed
	}
	g := t.open[service]
	if g == nil {
		var err error
		if g, err = openGroup(t.in, service); err != nil {
			return err
		}
		if err := t.made(g); err != nil {
			return errors.Join(err, g.dir.Close())
		}
		t.open[service], t.names[g.id] = g, service
	}
	return f(g)
}

// ifOpen calls f with the cgroup of a service, or nil where none was opened. The
// cgroup is not made, removed or closed meanwhile.
func (t *groups) ifOpen(service string, f func(*group)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return os.ErrClosed
	}
	f(t.open[service])
	return nil
}

// name returns the service of a cgroup that was opened, also of one that is gone,
// or "".
func (t *groups) name(id uint64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[id]
}

// existing opens the cgroup of a service, or that of all with "". It returns
// nil if there is none.
func (t *groups) existing(service string) (*os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, os.ErrClosed
	}
	if service == "" {
		return openDir(t.in, ".")
	}
	name, err := groupName(service)
	if err != nil {
		return nil, err
	}
	dir, err := openDir(t.in, name)
	if isGone(err) {
		return nil, nil
	}
	return dir, err
}

// pids lists the processes of a service, or of all with "".
func (t *groups) pids(service string) (out []int, err error) {
	dir, err := t.existing(service)
	if err != nil || dir == nil {
		return nil, err
	}
	err = walk(dir, maxDepth, func(d *os.File) error {
		p, err := pids(d)
		out = append(out, p...)
		return err
	})
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	return out, nil
}

// kill ends the processes of a service, or of all with "".
func (t *groups) kill(service string) error {
	dir, err := t.existing(service)
	if err != nil || dir == nil {
		return err
	}
	return errors.Join(kill(dir), dir.Close())
}

// remove removes the cgroup of a service in which no process is.
func (t *groups) remove(service string) error {
	name, err := groupName(service)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return os.ErrClosed
	}
	if g := t.open[service]; g != nil {
		delete(t.open, service)
		err = g.dir.Close()
	}
	if err = errors.Join(remove(t.in, name, maxDepth), err); err != nil {
		return fmt.Errorf("forget service %s: %w", service, err)
	}
	return nil
}

// services maps the id of every cgroup inside to its service.
func (t *groups) services() (map[uint64]string, error) {
	top, err := t.existing("")
	if err != nil {
		return nil, err
	}
	out := map[uint64]string{}
	names, err := children(top)
	for _, name := range names {
		if service, ok := serviceName(name); ok && err == nil {
			err = identify(top, name, service, out)
		}
	}
	if err = errors.Join(err, top.Close()); err != nil {
		return nil, err
	}
	return out, nil
}

// identify adds the ids of the cgroup name and of those below it.
func identify(top *os.File, name, service string, out map[uint64]string) error {
	dir, err := openDir(top, name)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = walk(dir, maxDepth, func(d *os.File) error {
		id, err := bpf.CgroupID(d)
		if err == nil {
			out[id] = service
		}
		if isGone(err) {
			err = nil
		}
		return err
	})
	return errors.Join(err, dir.Close())
}

// close closes the descriptors; the cgroups stay. first reports whether this was
// the first call.
func (t *groups) close() (first bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, nil
	}
	t.closed = true
	for name, g := range t.open {
		err = errors.Join(err, g.dir.Close())
		delete(t.open, name)
	}
	return true, err
}
