// Package livemap is the live map of sockets of one helper: one for all of its
// clients, there while one of them uses it. Package bpf has its programs, package
// owners the form of its answers.
package livemap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
	"lodge/internal/owners"
	"lodge/internal/procfs"
)

// Map is the live map.
type Map struct {
	// busy holds a token while the map is started, asked or ended, so that what
	// follows has one user. A channel and no mutex, since a call that waits for it
	// can be given up.
	busy    chan struct{}
	viewers map[*Viewer]struct{}
	live    *bpf.Live
	// The last answer, and when it was begun: it answers every call that was made
	// before that.
	table *owners.Table
	begun time.Time
}

// New returns a map that runs when it is first asked.
func New() *Map { return &Map{busy: make(chan struct{}, 1), viewers: map[*Viewer]struct{}{}} }

// Viewer is one client of the map. Its methods may be called by several
// goroutines.
type Viewer struct {
	all  *Map
	uid  uint32
	uses atomic.Bool // as all.viewers has it
}

// Viewer returns a client of the user uid, which does not use the map yet.
func (m *Map) Viewer(uid uint32) *Viewer { return &Viewer{all: m, uid: uid} }

// acquire waits for the map.
func (m *Map) acquire(ctx context.Context) error {
	select {
	case m.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *Map) release() { <-m.busy }

// start starts the map if it does not run. The caller has acquired it.
func (m *Map) start(ctx context.Context) error {
	if m.live != nil {
		return nil
	}
	live, err := bpf.OpenLive()
	if err != nil {
		return err
	}
	// What happens from here on the programs see themselves.
	if err := rememberAll(ctx, live); err != nil {
		return errors.Join(err, live.Close())
	}
	m.live = live
	return nil
}

// ask returns a table that is not older than the call, and starts the map for
// its first viewer. Calls that wait at the same time share the table, which is
// not changed.
func (m *Map) ask(ctx context.Context, v *Viewer) (*owners.Table, error) {
	asked := time.Now()
	if err := m.acquire(ctx); err != nil {
		return nil, err
	}
	defer m.release()
	if err := m.start(ctx); err != nil {
		return nil, err
	}
	m.viewers[v] = struct{}{}
	v.uses.Store(true)
	if m.table != nil && m.begun.After(asked) {
		return m.table, nil
	}
	begun := time.Now()
	t, err := m.live.Owners(ctx)
	if err != nil {
		return nil, err
	}
	m.table, m.begun = t, begun
	return t, nil
}

// Owners returns a file of its own that holds the table (package owners), as
// the user may see it. The first call starts the map for this client.
func (v *Viewer) Owners(ctx context.Context) (*os.File, error) {
	t, err := v.all.ask(ctx, v)
	if err != nil {
		return nil, err
	}
	return sealed("lodge-owners", visible(t, v.uid).Append(nil))
}

// Leave ends this client's use of the map, and the map after its last client.
func (v *Viewer) Leave(ctx context.Context) error {
	m := v.all
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	delete(m.viewers, v)
	v.uses.Store(false)
	if len(m.viewers) > 0 || m.live == nil {
		return nil
	}
	live := m.live
	m.live, m.table = nil, nil
	return live.Close()
}

// Uses reports whether the client uses the map.
func (v *Viewer) Uses() bool { return v.uses.Load() }

// Viewers returns how many clients use the map. It runs while there is one.
func (m *Map) Viewers() int {
	m.busy <- struct{}{}
	defer m.release()
	return len(m.viewers)
}

// rememberAll keeps the command lines of the processes that run already. They
// cannot be read any more when a process that ends closes its connections.
func rememberAll(ctx context.Context, live *bpf.Live) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	titles := newTitles()
	defer titles.close()
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		pid, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			continue
		}
		command := titles.of("/proc/" + name + "/cmdline")
		if len(command) == 0 {
			continue // it ended, or is a thread of the kernel
		}
		start, err := procfs.StartTime(int(pid))
		if err != nil {
			continue
		}
		// A title that a program wrote over its arguments ends in zeros.
		command = append(bytes.TrimRight(command, "\x00"), 0)
		if err := live.Remember(uint32(pid), start, command); err != nil {
			return err
		}
	}
	return nil
}

// visible is the table as the user uid may see it.
func visible(t *owners.Table, uid uint32) *owners.Table {
	if uid == 0 {
		return t // all of it
	}
	mine := *t
	mine.Processes = slices.Clone(t.Processes)
	for i := range mine.Processes {
		if p := &mine.Processes[i]; !policy.SeesCommands(uid, p.UID) {
			p.Command, p.Cut = "", false
		}
	}
	return &mine
}

// sealed returns a file in memory that cannot be changed (memfd_create(2)).
func sealed(name string, b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(b)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write file in memory: %w", err), f.Close())
	}
	return f, nil
}
