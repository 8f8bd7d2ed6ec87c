package procfs

import (
	"bytes"
	"fmt"
	"strconv"
)

// Stat is what /proc/PID/stat says (proc(5)).
type Stat struct {
	// Name is the kernel's name of the main thread, up to 15 bytes. It may
	// hold any byte but NUL.
	Name string
	// State is R, S, D, Z (a zombie), X (dead) and so on.
	State  byte
	Parent int
	// Threads counts them; a zombie whose other threads live has more than one.
	Threads int
	// Start is in clock ticks since boot.
	Start uint64
}

// Alive reports whether it is no zombie, nor about to vanish.
func (s Stat) Alive() bool { return s.State != 'Z' && s.State != 'X' }

// ParseStat reads /proc/PID/stat. The name, in parentheses, may hold blanks
// and parentheses itself, so it ends at the last ")".
func ParseStat(b []byte) (Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return Stat{}, fmt.Errorf("read process stat: no name in %q", b)
	}
	var s Stat
	s.Name = string(b[open+1 : end])
	rest := b[end+1:]
	// Fields 3 (state) to 22 (starttime).
	for i := 3; i <= 22; i++ {
		rest = bytes.TrimLeft(rest, " \n")
		n := bytes.IndexAny(rest, " \n")
		if n < 0 {
			n = len(rest)
		}
		f := rest[:n]
		rest = rest[n:]
		if len(f) == 0 {
			return Stat{}, fmt.Errorf("read process stat: %d fields after the name", i-3)
		}
		var err error
		switch i {
		case 3:
			if len(f) != 1 {
				return Stat{}, fmt.Errorf("read process stat: state %q", f)
			}
			s.State = f[0]
		case 4:
			s.Parent, err = strconv.Atoi(string(f))
		case 20:
			s.Threads, err = strconv.Atoi(string(f))
		case 22:
			s.Start, err = strconv.ParseUint(string(f), 10, 64)
		}
		if err != nil {
			return Stat{}, fmt.Errorf("read process stat: field %d: %w", i, err)
		}
	}
	return s, nil
}
