package cli

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

// dirs returns the directories of this user's daemon, as the XDG base directory
// specification names them. It makes nothing: commands that only look ask it. Where the environment says nothing: /run/lodge and
// /var/lib/lodge for root, the places that logind makes for others, and a
// private directory in /tmp where there is none.
func (a *app) dirs() localapi.Dirs {
	d := localapi.Dirs{Runtime: a.runtimeDir()}
	uid := os.Getuid()
	home := a.home()
	switch x := a.getenv("XDG_STATE_HOME"); {
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

// runtimeDir is where this user's daemon listens.
func (a *app) runtimeDir() string {
	if x := a.getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(x) { // a relative path must be ignored, says the specification
		return filepath.Join(x, "lodge")
	}
	return usualRuntimeDir(os.Getuid())
}

// usualRuntimeDir is where a user's daemon listens whose environment says
// nothing.
func usualRuntimeDir(uid int) string {
	if uid == 0 {
		return "/run/lodge"
	}
	if logind := fmt.Sprintf("/run/user/%d", uid); unix.Access(logind, unix.W_OK) == nil {
		return filepath.Join(logind, "lodge")
	}
	return filepath.Join("/tmp", "lodge-"+strconv.Itoa(uid))
}

// home returns the user's home directory, or "".
func (a *app) home() string {
	if h := a.getenv("HOME"); filepath.IsAbs(h) {
		return h
	}
	if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}
