package processes

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// killRounds bounds how often Kill looks again.
const killRounds = 1000

// Kill ends every process of a service with SIGKILL. A process that has the
// signal cannot fork any more, so it looks until two looks in a row find
// no new one.
func (t *Table) Kill(service string) error {
	type one struct {
		pid   int
		start uint64
	}
	done := make(map[one]bool)
	var failed error
	quiet := 0
	for range killRounds {
		pids, err := t.Of(service)
		if err != nil {
			return fmt.Errorf("kill %s: %w", service, err)
		}
		fresh := false
		for _, pid := range pids {
			t.mu.Lock()
			known, isKnown := t.known[pid]
			t.mu.Unlock()
			start := known.start
			if !isKnown {
				s, ok := readStat(pid)
				if !ok {
					continue
				}
				start = s.start
			}
			if done[one{pid, start}] {
				continue
			}
			done[one{pid, start}], fresh = true, true
			failed = errors.Join(failed, killExactly(pid, start))
		}
		if fresh {
			quiet = 0
			continue
		}
		if quiet++; quiet == 2 {
			if failed != nil {
				return fmt.Errorf("kill %s: %w", service, failed)
			}
			return nil
		}
	}
	return errors.Join(fmt.Errorf("kill %s: new processes after %d rounds", service, killRounds), failed)
}

// killExactly kills the process that had the id at that start time, and no
// later one.
func killExactly(pid int, start uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	if s, ok := readStat(pid); !ok || s.start != start {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}
