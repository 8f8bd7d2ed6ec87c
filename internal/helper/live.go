package helper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/owners"
	"lodge/internal/procfs"
)

// liveMap is the live map of sockets of this helper: one for all of its
// clients, there while one of them uses it.
type liveMap struct {
	// mu guards what follows, and is held while the map is started and asked.
	mu    sync.Mutex
	users int
	live  *bpf.Live
	// The last answer, and when it was begun: it answers everybody who asked
	// before that.
	table *owners.Table
	begun time.Time
}

// join starts the map for its first user.
func (m *liveMap) join(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live == nil {
		live, err := bpf.OpenLive()
		if err != nil {
			return err
		}
		// What happens from here on the programs see themselves.
		if err := rememberAll(ctx, live); err != nil {
			return errors.Join(err, live.Close())
		}
		m.live = live
	}
	m.users++
	return nil
}

// leave stops the map after its last user.
func (m *liveMap) leave() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users > 0 {
		return nil
	}
	live := m.live
	m.live, m.table = nil, nil
	return live.Close()
}

// owners returns a table that is not older than the call. Those who wait at the
// same time share it; nobody changes it.
func (m *liveMap) owners(ctx context.Context) (*owners.Table, error) {
	asked := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
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

// owners answers the client with a file of its own that holds the table
// (package owners).
func (s *session) owners(ctx context.Context) (*os.File, error) {
	if !s.watching {
		if err := s.all.live.join(ctx); err != nil {
			return nil, err
		}
		s.watching = true
	}
	t, err := s.all.live.owners(ctx)
	if err != nil {
		return nil, err
	}
	return sealed("lodge-owners", visible(t, s.uid).Append(nil))
}

// visible is the table as the user uid may see it. Which processes there are,
// whose they are and which sockets they have is what the helper was installed
// to show. Command lines can hold more, and are told to their owner and to
// root.
func visible(t *owners.Table, uid uint32) *owners.Table {
	if uid == 0 {
		return t
	}
	mine := *t
	mine.Processes = slices.Clone(t.Processes)
	for i := range mine.Processes {
		if p := &mine.Processes[i]; p.UID != uid {
			p.Command, p.Cut = "", false
		}
	}
	return &mine
}

// sealed returns a file in memory that nobody can change (memfd_create(2)).
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
