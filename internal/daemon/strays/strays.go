// Package strays ends the processes of homes whose keepers are gone. They are known by
// the mark of the home ([mark]), and where they have none by their environment.
package strays

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/mark"
	"lodge/internal/procfs"
)

// strays are the processes of a home whose keeper is gone. They are known by
// their mark. A process without one, because it set the limit that carries it or
// because marks cannot be had here, is known by its environment, if it is the
// same user's. One with the mark of another home is that home's.
type strays struct {
	home mark.Home
	id   string // "" where the engine puts nothing into the environment
}

// has reports whether a process is one of them. One that is gone is an error:
// it may have forked before it ended.
func (s strays) has(pid int) (bool, error) {
	if pid == os.Getpid() {
		return false, nil
	}
	uid, err := userOf(pid)
	if err != nil || os.Geteuid() != 0 && uid != os.Geteuid() {
		return false, err // another user's cannot be ended
	}
	m, err := mark.Read(pid)
	if err != nil || m.Home != 0 {
		return err == nil && m.Home == s.home, err
	}
	return s.id != "" && uid == os.Geteuid() && procfs.Getenv(pid, "LODGE_HOME_ID") == s.id, nil
}

// userOf returns the effective user of a process.
func userOf(pid int) (int, error) {
	var st unix.Stat_t
	err := unix.Stat("/proc/"+strconv.Itoa(pid), &st)
	return int(st.Uid), err
}

const (
	// strayRounds bounds how often strays are looked for.
	strayRounds = 1000
	// strayDoubts bounds the looks in a row that found nothing which is surely
	// of the home. Other users can copy a mark, and on a busy machine some
	// process vanishes in every look: neither may keep the looks from ending.
	strayDoubts = 40
	// strayLook is how long is looked. After it two such looks are enough, and
	// one after strayDoubts looks that finds another process is an error: how
	// many looks there is time for depends on the machine.
	strayLook = 10 * time.Second
	// strayEnd is how long killed processes may take to end.
	strayEnd = 10 * time.Second
	// strayOthers is how long other users' processes are waited for.
	strayOthers = time.Second
)

// stray is a process that was killed.
type stray struct {
	pid   int
	start uint64
}

// Kill ends all processes of a home, and returns when they have ended. A
// process that has the signal cannot fork any more, so it looks until two looks
// in a row find no new one, lose none, and find none that has ended by itself: a
// list of /proc is no snapshot, and where processes fork the next one and end,
// it holds only those that have ended.
//
// Services of root may change their user, so root ends what other users run
// with the home's mark. They may have copied it, so what they do is no error,
// and delays nothing for long.
func Kill(ctx context.Context, home mark.Home, id string) error {
	looking, stop := context.WithTimeout(ctx, strayLook)
	defer stop()
	s := strays{home, id}
	own, others, ended := make(map[stray]bool), make(map[stray]bool), make(map[stray]bool)
	var failed error
	for round, quiet, doubts := 0, 0, 0; quiet < 2 && doubts < strayDoubts; round++ {
		late := looking.Err() != nil
		if late && doubts >= 2 && ctx.Err() == nil {
			break
		}
		if round == strayRounds || ctx.Err() != nil || late && round >= strayDoubts && quiet+doubts == 0 {
			return errors.Join(fmt.Errorf("end what is left of home %s: processes come and go after %d looks", id, round), failed)
		}
		pids, err := procfs.List()
		if err != nil {
			return fmt.Errorf("end what is left of home %s: %w", id, err)
		}
		found, doubt := false, false
		for _, pid := range pids {
			is, err := s.has(pid)
			doubt = doubt || err != nil
			if !is {
				continue
			}
			st, err := procfs.ReadStat(pid)
			p := stray{pid, st.Start}
			if err != nil || own[p] || others[p] || ended[p] {
				continue
			}
			if !st.Alive() { // its parent has not waited for it yet
				ended[p], doubt = true, true
				continue
			}
			uid, err := userOf(pid)
			if kerr := killOne(pid, st.Start); err != nil || uid != os.Geteuid() {
				others[p], doubt = true, true
			} else {
				own[p], found = true, true
				failed = errors.Join(failed, kerr)
			}
		}
		switch {
		case found:
			quiet, doubts = 0, 0
		case doubt:
			quiet, doubts = 0, doubts+1
		default:
			quiet++
		}
	}
	ctx, cancel := context.WithTimeout(ctx, strayEnd)
	defer cancel()
	for p := range own {
		failed = errors.Join(failed, awaitGone(ctx, p.pid, p.start))
	}
	if os.Geteuid() == 0 {
		short, cancel := context.WithTimeout(ctx, strayOthers)
		defer cancel()
		for p := range others {
			_ = awaitGone(short, p.pid, p.start)
		}
	}
	if failed != nil {
		return fmt.Errorf("end what is left of home %s: %w", id, failed)
	}
	return nil
}

// killOne ends the process that had the id at that start time, and no later
// one.
func killOne(pid int, start uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return unlessGone(fmt.Errorf("open process %d: %w", pid, err))
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	if !procfs.Alive(pid, start) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return unlessGone(fmt.Errorf("end process %d: %w", pid, err))
	}
	return nil
}

func unlessGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// awaitGone returns when the process has ended.
func awaitGone(ctx context.Context, pid int, start uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	for procfs.Alive(pid, start) {
		if ctx.Err() != nil {
			return fmt.Errorf("process %d does not end", pid)
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor
		if n, err := unix.Poll(fds, 100); n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return nil
		}
	}
	return nil
}
