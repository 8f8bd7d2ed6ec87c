package mark

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Home is the mark of one home. The zero Home marks nothing.
type Home uint64

const (
	homeBits = 40
	// levels is the number of the outermost level. The level above it is not
	// used: 2^63-1 is what some programs take for "unlimited".
	levels     = 1<<14 - 2
	levelShift = 48
	homeShift  = 8
	hardBit    = 1 << 62
	softBit    = 1 << 61
)

// Of returns the mark of the home id of the daemon that seed stands for.
func Of(seed, id string) Home {
	return Home(hash("home", seed, id)>>(64-homeBits) | 1)
}

func hash(parts ...string) uint64 {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(p)))) // a hash takes all
		_, _ = h.Write([]byte(p))
	}
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// String returns the home's part of the mark in hexadecimal digits.
func (h Home) String() string { return fmt.Sprintf("%010x", uint64(h)) }

// MarshalText is String, and nothing for the zero Home.
func (h Home) MarshalText() ([]byte, error) {
	if h == 0 {
		return nil, nil
	}
	return []byte(h.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (h *Home) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*h = 0
		return nil
	}
	n, err := strconv.ParseUint(string(b), 16, homeBits)
	if err != nil {
		return fmt.Errorf("read mark %q: %w", b, err)
	}
	*h = Home(n)
	return nil
}

// hard returns the hard limit of the home's processes at a level.
func (h Home) hard(level uint64) uint64 {
	v := uint64(hardBit) | level<<levelShift | uint64(h)<<homeShift
	return v | check(v)
}

// check tells a mark from a number that was set on purpose.
func check(v uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	sum := sha256.Sum256(b[:])
	return uint64(sum[0])
}

// soft returns the soft limit of a service's processes; "" is the keeper.
func (h Home) soft(service string) uint64 {
	return softBit | hash("service", h.String(), service)>>3
}

// Mark is what a process carries. The zero Mark is none.
type Mark struct {
	Home Home
	soft uint64
}

// Is reports whether the mark is that of a service of the home; "" is the
// home's keeper.
func (m Mark) Is(h Home, service string) bool {
	return m.Home == h && h != 0 && m.soft == h.soft(service)
}

// FromLimits returns the mark that limits of real time carry (RLIMIT_RTTIME of
// getrlimit(2), in microseconds), or the zero Mark.
func FromLimits(soft, hard uint64) Mark { return limits{soft: soft, hard: hard}.mark() }

func (l limits) mark() Mark {
	if _, ok := l.level(); !ok {
		return Mark{}
	}
	return Mark{Home: Home(l.hard >> homeShift & (1<<homeBits - 1)), soft: l.soft}
}

// level returns the level of a marked process.
func (l limits) level() (uint64, bool) {
	v := l.hard &^ (1<<homeShift - 1)
	level := l.hard >> levelShift & (1<<14 - 1)
	return level, l.hard>>62 == 1 && l.hard&(1<<homeShift-1) == check(v) && level <= levels
}

// Read returns the mark of a process, or the zero Mark for one that has none.
// A vanished process is an error.
func Read(pid int) (Mark, error) {
	l, err := limitsOf(pid)
	return l.mark(), err
}

// Parse reads the mark from a process's /proc/PID/limits (proc(5)).
func Parse(b []byte) (Mark, error) {
	l, err := parseLimits(b)
	return l.mark(), err
}

// Find returns the marked processes of this machine, zombies included.
// Processes that vanish meanwhile are left out.
func Find() (map[int]Mark, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("find marked processes: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, fmt.Errorf("find marked processes: %w", err)
	}
	out := make(map[int]Mark)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if m, err := Read(pid); err == nil && m.Home != 0 {
			out[pid] = m
		}
	}
	return out, nil
}

// ErrLimited says that this process has a limit that was set on purpose.
var ErrLimited = errors.New("RLIMIT_RTTIME is set already")

// Set marks this process, and so all that it starts, as the home's.
func Set(h Home) error {
	if h == 0 {
		return fmt.Errorf("mark process: no home: %w", unix.EINVAL)
	}
	now, err := limitsOf(os.Getpid())
	if err != nil {
		return fmt.Errorf("mark process: %w", err)
	}
	level, marked := now.level()
	switch {
	case marked && level == 0:
		return fmt.Errorf("mark process: %d homes are inside each other: %w", levels, ErrLimited)
	case marked:
		level--
	case now.hard < 1<<63:
		return fmt.Errorf("mark process: %w", ErrLimited)
	default:
		level = levels
	}
	want := unix.Rlimit{Cur: h.soft(""), Max: h.hard(level)}
	if err := unix.Prlimit(0, unix.RLIMIT_RTTIME, &want, nil); err != nil {
		return fmt.Errorf("mark process: %w", err)
	}
	return nil
}
