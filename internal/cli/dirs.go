package cli

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
)

// dirs gives the directories of this user's daemon, as the XDG base directory
// specification names them. Where the environment says nothing: /run/lodge and
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
		if home == "" || os.MkdirAll(d.State, 0o700) != nil {
			d.State = filepath.Join("/var/tmp", "lodge-"+strconv.Itoa(uid))
		}
	}
	return d
}

// runtimeDir is where this user's daemon listens. Unlike dirs it makes nothing.
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

// home gives the user's home directory, or "".
func (a *app) home() string {
	if h := a.getenv("HOME"); filepath.IsAbs(h) {
		return h
	}
	if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}
