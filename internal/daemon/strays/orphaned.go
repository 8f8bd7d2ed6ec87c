package strays

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/internal/mark"
	"lodge/internal/procfs"
)

// Orphaned returns the homes that have marked processes and no keeper: all that tells
// of such a home is the mark.
func Orphaned() (map[mark.Home]bool, error) {
	marked, err := mark.Find()
	if err != nil {
		return nil, err
	}
	kept := make(map[mark.Home]bool)
	left := make(map[mark.Home]bool)
	for pid, m := range marked {
		left[m.Home] = true
		if isKeeper(pid, m) {
			kept[m.Home] = true
		}
	}
	for home := range kept {
		delete(left, home)
	}
	return left, nil
}

// isKeeper reports whether a marked process is a keeper of this user that lives.
// While it starts a process it has the mark of a service, so its arguments count
// too.
func isKeeper(pid int, m mark.Mark) bool {
	st, err := procfs.ReadStat(pid)
	if err != nil || !st.Alive() || !procfs.RunBy(pid, os.Geteuid()) {
		return false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	args := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	return m.Is(m.Home, "") || err == nil && len(args) == 2 && args[1] == "keeper" && strings.HasPrefix(filepath.Base(args[0]), "lodge")
}

// LeaveHome takes the mark of a home from this process, if it was started inside one:
// what it starts is not that home's. own is the mark that it has from here on.
func LeaveHome(own mark.Home) {
	if m, err := mark.Read(os.Getpid()); err == nil && m.Home != 0 {
		_ = mark.Set(own) // at worst it ends with the home
	}
}
