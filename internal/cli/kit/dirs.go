package kit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
)

// Dirs returns the directories of this user's daemon, as the XDG base directory
// specification names them. If the environment names none: /run/lodge and
// /var/lib/lodge for root, the places that logind makes for others, and a private
// directory in /tmp if there is none. It makes nothing, and looks at the disk: a
// command calls it when it runs, not when its flags are defined.
func (k *Kit) Dirs() localapi.Dirs {
	d := localapi.Dirs{Runtime: k.RuntimeDir()}
	uid := os.Getuid()
	home := k.UserHome()
	switch x := k.Getenv("XDG_STATE_HOME"); {
	case filepath.IsAbs(x):
		d.State = filepath.Join(x, "lodge")
	case uid == 0:
		d.State = "/var/lib/lodge"
	default:
		d.State = filepath.Join(home, ".local/state/lodge")
		if home == "" || !canBeMade(d.State) {
			d.State = filepath.Join("/var/tmp", "lodge-"+strconv.Itoa(uid))
		}
	}
	return d
}

// Path returns the path of a file that the command line names: relative ones are in the
// directory in which the command was started.
func (k *Kit) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(k.Env.Dir, name)
}

// RuntimeDir returns the directory in which this user's daemon listens.
func (k *Kit) RuntimeDir() string {
	if x := k.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(x) { // a relative path must be ignored, says the specification
		return filepath.Join(x, "lodge")
	}
	return UsualRuntimeDir(os.Getuid())
}

// UserHome returns the user's home directory, or "".
func (k *Kit) UserHome() string {
	if h := k.Getenv("HOME"); filepath.IsAbs(h) {
		return h
	}
	if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}

// canBeMade reports whether the directory at path is there and may be written
// to, or may be made: a home directory may be read-only, missing or another's.
func canBeMade(path string) bool {
	for {
		fi, err := os.Stat(path)
		switch {
		case err == nil:
			return fi.IsDir() && unix.Access(path, unix.W_OK|unix.X_OK) == nil
		case !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path):
			return false
		}
		if _, err := os.Lstat(path); err == nil {
			return false // a link to nowhere
		}
		path = filepath.Dir(path)
	}
}

// UsualRuntimeDir returns the directory in which a user's daemon listens if the
// environment names none.
func UsualRuntimeDir(uid int) string {
	if uid == 0 {
		return "/run/lodge"
	}
	if logind := fmt.Sprintf("/run/user/%d", uid); unix.Access(logind, unix.W_OK) == nil {
		return filepath.Join(logind, "lodge")
	}
	return filepath.Join("/tmp", "lodge-"+strconv.Itoa(uid))
}
