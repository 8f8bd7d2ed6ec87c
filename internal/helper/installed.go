package helper

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkPlace makes sure that nobody but root can change the program to which
// the link exe leads, nor put another in its place: neither the file nor a
// directory above it is another user's, or can be written by others.
func checkPlace(exe string) error {
	path, err := filepath.EvalSymlinks(exe)
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	for p := path; ; p = filepath.Dir(p) {
		fi, err := os.Lstat(p)
		if err != nil {
			return fmt.Errorf("check own program: %w", err)
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		sticky := fi.IsDir() && fi.Mode()&os.ModeSticky != 0 // in it only the owner renames
		if !ok || st.Uid != 0 || fi.Mode().Perm()&0o022 != 0 && !sticky {
			return fmt.Errorf("check own program: %s can be changed by others than root; install it anew: sudo lodge setup", p)
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}
