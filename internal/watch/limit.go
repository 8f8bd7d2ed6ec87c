package watch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// LimitError says that the kernel's bound on inotify objects of one user was
// reached (inotify(7), "/proc interfaces").
type LimitError struct {
	// Dir is the directory that could not be watched.
	Dir string
	// What ran out: "watches" or "instances".
	What string
	// Sysctl is the setting that bounds it, Value what it is now (0 if it
	// could not be read).
	Sysctl string
	Value  int
	// Polled reports that files are looked at every second instead; else they are
	// not watched.
	Polled bool
	// Err is what the kernel said.
	Err error
}

func (e *LimitError) Error() string {
	instead := "from here on, changes are not seen"
	if e.Polled {
		instead = "from here on, files are looked at every second instead"
	}
	return fmt.Sprintf("watch %s: no inotify %s left (%s=%d); %s; raise it: sysctl -w %s=%d",
		e.Dir, e.What, e.Sysctl, e.Value, instead, e.Sysctl, max(2*e.Value, 1024))
}

func (e *LimitError) Unwrap() error { return e.Err }

// watchError puts the directory, and the limit where one was hit, around an
// error of inotify_init1(2) (EMFILE) or inotify_add_watch(2) (ENOSPC).
func watchError(dir string, err error) error {
	limit := func(what, fsName, userName string) error {
		e := &LimitError{Dir: dir, What: what, Sysctl: "fs.inotify." + fsName, Err: err}
		e.Value = readSysctl(e.Sysctl)
		// A user namespace can have a bound of its own, which is the lower one.
		if v := readSysctl("user." + userName); v > 0 && v < e.Value {
			e.Sysctl, e.Value = "user."+userName, v
		}
		return e
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return limit("watches", "max_user_watches", "max_inotify_watches")
	case errors.Is(err, syscall.EMFILE):
		return limit("instances", "max_user_instances", "max_inotify_instances")
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("watch %s: %w", dir, err)
}

func readSysctl(name string) int {
	data, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return n
}
