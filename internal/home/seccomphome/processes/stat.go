package processes

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lodge/internal/home/seccomphome/unotify"
)

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

// environ finds a variable in /proc/PID/environ.
func environ(env []byte, name string) (string, bool) {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if v, ok := strings.CutPrefix(string(entry), name+"="); ok {
			return v, true
		}
	}
	return "", false
}

// Filters counts the filters that this process is under itself, in a
// container for example.
func Filters() (int, error) { return filtersOf("thread-self") }

func filtersOf(process string) (int, error) {
	text, err := os.ReadFile("/proc/" + process + "/status")
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
