package seccomphome

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/mark"
)

// killRounds bounds how often Kill looks again.
const killRounds = 1000

// process is a process that was seen inside. Its start time tells it from a
// later one with the same id.
type process struct {
	service string
	start   uint64
}

// stat is what is read from /proc/PID/stat (proc(5)).
type stat struct {
	state  byte
	parent int
	start  uint64 // in clock ticks since the machine started
}

func parseStat(text string) (stat, bool) {
	// The name is in brackets and can hold anything, brackets too.
	i := strings.LastIndexByte(text, ')')
	if i < 0 {
		return stat{}, false
	}
	f := strings.Fields(text[i+1:])
	if len(f) < 20 || len(f[0]) != 1 {
		return stat{}, false
	}
	parent, err := strconv.Atoi(f[1])
	start, err2 := strconv.ParseUint(f[19], 10, 64)
	return stat{f[0][0], parent, start}, err == nil && err2 == nil
}

func readStat(pid int) (stat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	return parseStat(string(text))
}

func (s stat) alive() bool { return s.state != 'Z' && s.state != 'X' }

// startedMain keeps a process that Start started.
func (h *Home) startedMain(pid int, service string) {
	s, ok := readStat(pid)
	if !ok {
		return // ended and reaped already
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[pid] = process{service, s.start}
}

// note keeps that a thread's process belongs to the listener's service, so
// that it is found when its parents are gone and its environment is cleared.
func (l *listener) note(tid uint32) {
	pid, err := unotify.ThreadGroup(tid)
	if err != nil {
		return // gone
	}
	l.h.startedMain(pid, l.service)
}

// Pids lists the living processes of a service, or of all. Below the
// processes that are known it is every descendant; an orphan that came to this
// process as the subreaper is known by its mark. One without, because it set
// the limit that carries it or because marks cannot be had here, is known by its
// environment, by having been seen before, or by what it bound, and is else
// listed for "" only.
func (h *Home) Pids(service string) ([]int, error) {
	// A process that forks and ends while /proc is read can be missed, and its
	// child too; one that becomes another program has no environment for a
	// moment. Nobody is left only where several looks say so, a little apart,
	// since nothing tells when others are done with their system calls.
	for look := range pidsLooks {
		if look > 0 {
			time.Sleep(2 * time.Millisecond)
		}
		if out, err := h.pids(service); err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, nil
}

// pidsLooks is how often Pids looks before it says that nobody is there.
const pidsLooks = 3

func (h *Home) pids(service string) ([]int, error) {
	// Many services may end at once: one walk of /proc is enough for all.
	found, err := h.processes.Do(h.readInside)
	if err != nil {
		return nil, fmt.Errorf("list processes of home %s: %w", h.spec.ID, err)
	}
	return home.ProcessesOf(service, found), nil
}

// readInside lists the living processes inside by their service.
func (h *Home) readInside() (map[string][]int, error) {
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	children := make(map[int][]int)
	for pid, s := range all {
		children[s.parent] = append(children[s.parent], pid)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	owner := make(map[int]string)
	for pid, p := range h.known {
		if s, ok := all[pid]; ok && s.start == p.start {
			owner[pid] = p.service
		} else {
			delete(h.known, pid)
		}
	}
	for _, pid := range children[self] {
		if _, ok := owner[pid]; ok {
			continue
		}
		if name, ok := h.adopt(pid); ok {
			owner[pid] = name
		}
	}
	roots := make([]int, 0, len(owner))
	for pid := range owner {
		roots = append(roots, pid)
	}
	for len(roots) > 0 {
		pid := roots[len(roots)-1]
		roots = roots[:len(roots)-1]
		for _, child := range children[pid] {
			if _, ok := owner[child]; !ok {
				owner[child] = owner[pid]
				roots = append(roots, child)
			}
		}
	}
	out := make(map[string][]int)
	for pid, name := range owner {
		if name != unattributed {
			h.known[pid] = process{name, all[pid].start}
		}
		if all[pid].alive() {
			out[name] = append(out[name], pid)
		}
	}
	for _, pids := range out {
		slices.Sort(pids)
	}
	return out, nil
}

// unattributed is the service of a process that nobody knows; no service has
// this name, for an environment cannot hold it.
const unattributed = "\x00"

// adopt finds out whose an orphan is. Children of this process that are not
// inside are nobody's: only what is inside has a filter more than we have.
func (h *Home) adopt(pid int) (string, bool) {
	switch name, whose := h.marker.Whose(pid); {
	case whose == mark.Foreign:
		return "", false // of a lodge that runs inside, or that was started from inside
	case whose == mark.Ours && name != "":
		return name, true
	case whose == mark.Ours:
		return unattributed, true
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err == nil {
		id, hasID := environ(env, envHome)
		name, hasName := environ(env, envService)
		switch {
		case hasID && id != h.spec.ID:
			return "", false
		case hasID && hasName:
			return name, true
		}
	}
	n, err := filtersOf(strconv.Itoa(pid))
	return unattributed, err == nil && n > h.filters
}

// environ finds a variable in /proc/PID/environ.
func environ(env []byte, name string) (string, bool) {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if v, ok := strings.CutPrefix(string(entry), name+"="); ok {
			return v, true
		}
	}
	return "", false
}

// ownFilters counts the filters that this process is under itself, in a
// container for example.
func ownFilters() (int, error) { return filtersOf("thread-self") }

func filtersOf(who string) (int, error) {
	text, err := os.ReadFile("/proc/" + who + "/status")
	if err != nil {
		return 0, fmt.Errorf("count seccomp filters: %w", err)
	}
	value, ok := unotify.StatusField(string(text), "Seccomp_filters")
	if !ok {
		return 0, fmt.Errorf("count seccomp filters: the kernel does not tell: %w", errors.ErrUnsupported)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("count seccomp filters: %w", err)
	}
	return n, nil
}

func readProcesses() (map[int]stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	out := make(map[int]stat)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, ok := readStat(pid); ok {
			out[pid] = s
		}
	}
	return out, nil
}

// Kill ends every process of a service with SIGKILL. A process that has the
// signal cannot fork any more, so it looks until two looks in a row find
// nobody new.
func (h *Home) Kill(service string) error {
	type one struct {
		pid   int
		start uint64
	}
	done := make(map[one]bool)
	var failed error
	quiet := 0
	for range killRounds {
		pids, err := h.Pids(service)
		if err != nil {
			return fmt.Errorf("kill %s: %w", service, err)
		}
		fresh := false
		for _, pid := range pids {
			h.mu.Lock()
			known, isKnown := h.known[pid]
			h.mu.Unlock()
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

// Forget drops what is kept for a service that has no process left: whose
// sockets were its own, and what Hold kept. Leases stay until Release.
func (h *Home) Forget(service string) error {
	h.Unhold(service)
	h.mu.Lock()
	defer h.mu.Unlock()
	for pid, p := range h.known {
		if p.service == service {
			delete(h.known, pid)
		}
	}
	h.disown(func(o ownSocket) bool { return o.service == service })
	for key, at := range h.six {
		if at.service == service {
			delete(h.six, key)
			delete(h.sixReal, portKey{key.proto, at.port})
		}
	}
	return nil
}
