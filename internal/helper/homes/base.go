package homes

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
)

// mount is where cgroup2 is mounted, once it was found. The zero value is ready.
type mount struct {
	mu   sync.Mutex // guards path
	path string
}

// find returns the mount point.
func (m *mount) find() (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.path == "" {
		path, err := procfs.CgroupMount()
		if err != nil {
			return "", err
		}
		m.path = path
	}
	return m.path, nil
}

// base is the cgroup above the homes of one session, with the hooks that are
// attached to it. The zero value is closed. Its user holds a lock over all its
// methods.
type base struct {
	mount string
	uid   uint32
	name  string // below mount
	// lock is the lock that reports that a helper looks after the base, see lockBase.
	lock  *os.File
	hooks *bpf.Hooks // nil while it is closed
}

// place is where the home ip4 is made in this base.
func (b *base) place(ip4 netip.Addr) helperapi.Place {
	return helperapi.Place{Mount: b.mount, Base: b.name, UID: b.uid, IP4: ip4}
}

// open makes the base of a user and attaches the hooks to it, if that was not done.
func (b *base) open(mount string, uid uint32, shared *Shared) error {
	if b.hooks != nil {
		return nil
	}
	root, err := os.Open(mount)
	if err != nil {
		return fmt.Errorf("open cgroup2: %w", err)
	}
	defer root.Close()
	level, err := bpf.Level(root)
	if err != nil {
		return err
	}
	name, lock, err := makeBase(mount, uid, shared)
	if err != nil {
		return err
	}
	// The home is one below the base, the cgroup in one below the home.
	hooks, err := bpf.Attach(lock, level+3)
	if err != nil {
		return errors.Join(err, unix.Rmdir(filepath.Join(mount, name)), lock.Close())
	}
	*b = base{mount: mount, uid: uid, name: name, lock: lock, hooks: hooks}
	return nil
}

// drop closes the hooks and removes the base. Homes that are in use go on without.
func (b *base) drop() error {
	if b.hooks == nil {
		return nil
	}
	path := filepath.Join(b.mount, b.name)
	err := errors.Join(b.hooks.Close(), b.lock.Close())
	*b = base{}
	return errors.Join(err, dropBase(path))
}

// makeBase makes a base of a user, of a random name, and locks it.
func makeBase(mount string, uid uint32, shared *Shared) (name string, lock *os.File, err error) {
	shared.making.Lock()
	defer shared.making.Unlock()
	var random [4]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	name = helperapi.BaseName(uid, hex.EncodeToString(random[:]))
	path := filepath.Join(mount, name)
	if err := makeDir(path); err != nil {
		return "", nil, err
	}
	lock, held, err := lockBase(path)
	if err == nil && !held {
		err = fmt.Errorf("lock cgroup %s: another process has it", path)
	}
	if err != nil {
		return "", nil, errors.Join(err, unix.Rmdir(path))
	}
	return name, lock, nil
}
